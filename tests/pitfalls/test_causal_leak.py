"""causal-leak."""

from __future__ import annotations

from penlight.core.facts import Exam, Hygiene, Module, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.causal_leak import CausalLeak
from penlight.testing import check_card, fake_run, objective


def said(earlier, *facts, **values):
    values = {"earlier": earlier, "own": 0.7, "length": 16, **values}
    exam = Exam(name="causality", values=values)
    return list(CausalLeak().detect(fake_run(facts=[exam, *facts])))


def coupling(noise):
    return Exam(name="coupling", values={"own": 0.1, "others": 0.0, "noise": noise, "samples": 8})


def test_card():
    assert check_card(CausalLeak()) == []


def test_the_future_shows():
    (found,) = said(0.04, coupling(0.0))
    assert found.severity == "critical"
    assert found.exact
    assert "last of 16 tokens" in found.says


def test_a_masked_model():
    assert not said(0.0, coupling(0.0))
    assert not said(3e-7, coupling(0.0))


def test_a_model_that_is_random_in_evaluation_proves_nothing():
    assert not said(0.04, coupling(0.02))
    assert not said(0.04, Hygiene(eval_functional_dropout=3))


def test_targets_that_are_not_shifted():
    (found,) = said(0.0, coupling(0.0), following=0.2, copied=1.0)
    assert "learns to copy its input" in found.says
    assert "tokens[:, 1:]" in found.prescriptions[0].do


def test_a_copy_for_the_asking():
    """A transformer that looks both ways, and is asked for what stands at the same place."""

    def copies(end=0.01, kind="MultiheadAttention", **values):
        values = {"earlier": 0.05, "own": 0.54, "length": 16, "following": 0.0, **values}
        aim = objective(input_shape=(1024, 19))
        facts = [
            aim,
            Targets(objective=aim.site, entropy=2.6, samples=1000, classes=(50,) * 19),
            Exam(name="causality", values={"copied": 1.0, **values}),
            Module(name="attention", type=kind),
        ]
        curve = {LOSS: [2.6] * 10 + [end] * 90}
        return list(CausalLeak().detect(fake_run(curve, facts)))

    (found,) = copies()
    assert "copy its input" in found.says
    assert len(found.prescriptions) == 2
    assert not copies(own=0.06)  # an autoencoder: all goes through one code
    assert not copies(end=1.3)
    assert not copies(kind="Linear")


def test_who_may_give_back_the_input():
    assert not said(0.3, coupling(0.0), following=0.2, copied=1.0)  # an autoencoder sees it all
    assert not said(0.0, coupling(0.0), following=0.2, copied=0.85)  # masked tokens
    assert not said(0.0, coupling(0.0), following=0.97, copied=1.0)  # the same token throughout
    assert not said(0.0, coupling(0.0), following=0.2, copied=1.0, own=0.0)  # it shifts by itself
