"""eval-mode-forgotten."""

from __future__ import annotations

from dataclasses import replace

from penlight.core.facts import Hygiene, Module, Optimizer, Parameter, Predictions
from penlight.pitfalls.eval_mode_forgotten import EvalModeForgotten
from penlight.testing import check_card, fake_run

LOOSE = Hygiene(
    steps=100, eval_forwards=20, eval_training_mode=20, eval_modules=("drop", "bn"),
    train_forwards=100,
)  # fmt: skip
SCORED = Predictions(phase="eval", step=50, accuracy=0.8, modules_training=2)


def said(*facts):
    return list(EvalModeForgotten().detect(fake_run(facts=facts)))


def test_card():
    assert check_card(EvalModeForgotten()) == []


def test_scored_in_training_mode():
    (found,) = said(LOOSE, SCORED)
    assert found.severity == "critical"
    assert found.exact
    assert found.first_step == 50
    assert "drop, bn" in found.says


def test_looked_at_in_training_mode():
    (found,) = said(LOOSE)
    assert found.severity == "warning"


def test_sampling_from_a_generator():
    assert not said(LOOSE, Optimizer(index=0, type="Adam"), Optimizer(index=1, type="Adam"))


def test_monte_carlo_dropout():
    seen = Hygiene(
        eval_forwards=20, eval_training_mode=20, eval_modules=("drop",), eval_functional_dropout=20
    )
    assert not said(seen, SCORED)


def test_functional_dropout():
    (found,) = said(Hygiene(eval_forwards=20, eval_functional_dropout=20), SCORED)
    assert "self.training" in found.says


def test_healthy():
    assert not said()
    assert not said(Hygiene(eval_forwards=20, train_forwards=100))
    assert not said(Hygiene(eval_forwards=20, eval_training_mode=2, eval_modules=("bn",)))


def test_never_back_to_training():
    seen = Hygiene(eval_forwards=9, train_eval_mode=90, train_forwards=100, train_modules=("bn",))
    norm = Module(name="bn", type="BatchNorm1d")
    (found,) = said(seen, norm)
    assert "model.train()" in found.says
    assert not said(seen, norm, Parameter(name="a", requires_grad=False))
    assert said(seen, Module(name="net.bn", type="BatchNorm1d", root="net"))  # named within it
    other = Module(name="drop", type="Dropout")
    assert not said(seen, norm, other)  # only a part is in evaluation mode
    many = [Module(name=f"bn{i}", type="BatchNorm1d") for i in range(20)]
    first = tuple(m.name for m in many[:8])
    assert said(replace(seen, train_modules=first), *many)
    always = Hygiene(eval_forwards=9, train_eval_mode=100, train_forwards=100, train_modules=("b",))
    assert not said(always)


def test_never_in_training():
    seen = Hygiene(train_eval_mode=100, train_forwards=100, fresh_norms=("bn",))
    norm = Module(name="bn", type="BatchNorm1d")
    (found,) = said(seen, norm)
    assert found.severity == "critical"
    assert "never met a batch" in found.says
    assert not said(seen, norm, Module(name="other", type="BatchNorm1d"))  # a part is used
    assert not said(replace(seen, fresh_norms=()), norm)  # frozen, with statistics of its own
    assert not said(replace(seen, train_eval_mode=60), norm)
