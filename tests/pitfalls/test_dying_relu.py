"""dying-relu: units that are off for every input, and what killed them."""

from __future__ import annotations

from collections.abc import Sequence

from penlight.core.facts import Module, Parameter, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import DEAD_SAMPLES, DEAD_SHARE, LOSS, UPDATE_RATIO, ZERO_SHARE
from penlight.pitfalls.dying_relu import DyingRelu
from penlight.testing import check_card, fake_run, objective

STUCK = [1.39] * 100
LEARNS = [1.39 - 0.013 * i for i in range(100)]
FOURS = Targets("cross_entropy@train.py:1", samples=100, classes=(25, 25, 25, 25), entropy=1.386)


def run_of(
    dead: Sequence[float],
    loss: Sequence[float] = STUCK,
    samples: float = 1024,
    zeros: float = 0.5,
    update: float = 0.01,
) -> Run:
    site = "0 > relu"
    return fake_run(
        {
            LOSS: loss,
            (DEAD_SHARE, site): dead,
            (DEAD_SAMPLES, site): [samples] * len(dead),
            (ZERO_SHARE, site): [zeros] * 20,
            (UPDATE_RATIO, "0.weight"): [update] * 20,
        },
        [
            Parameter("0.weight", (64, 16), module="0", module_type="Linear"),
            objective(input_shape=(32, 4), first_loss=1.39),
            FOURS,
        ],
    )


def test_convicts_units_that_were_born_dead() -> None:
    [found] = DyingRelu().detect(run_of([0.98, 0.98, 0.98]))
    assert found.severity == "critical"
    assert found.where == "0 > relu"
    assert "98% of the ReLU units of 0 > relu are off for every input, from the start" in found.says
    assert "zero biases" in found.prescriptions[0].do


def test_units_that_died_in_training_point_at_the_learning_rate() -> None:
    [found] = DyingRelu().detect(run_of([0.02, 0.1, 0.9, 0.9], update=0.8))
    assert "since step 2; at first it were 2%" in found.says
    assert found.first_step == 2
    assert "learning rate" in found.prescriptions[0].do
    assert any(e.signal == "update_ratio" and e.value == 0.8 for e in found.evidence)
    assert "lr-too-high" in DyingRelu.caused_by


def test_convicts_a_layer_of_zeros_without_counts() -> None:
    [found] = DyingRelu().detect(run_of([], zeros=1.0))
    assert found.evidence[0].signal == "zero_share"


def test_sparse_but_alive_is_silent() -> None:
    assert not list(DyingRelu().detect(run_of([0.1, 0.2], zeros=0.9)))


def test_too_few_samples_say_nothing() -> None:
    assert not list(DyingRelu().detect(run_of([0.9, 0.9], samples=64)))


def test_a_run_that_learns_can_afford_dead_units() -> None:
    assert not list(DyingRelu().detect(run_of([0.7, 0.7], LEARNS)))


def test_copes_with_an_empty_run() -> None:
    assert not list(DyingRelu().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(DyingRelu())


def test_most_of_a_handful_of_units_is_no_proof() -> None:
    """Five of six units off leaves one that works; forty of forty-eight is beyond chance."""
    run = run_of([0.5, 0.83, 0.83])

    def among(units: int) -> Run:
        layer = Module(name="0", type="ReLU", output_shape=(32, units))
        return Run(dict(run._series), [*run.facts, layer])

    assert list(DyingRelu().detect(among(48)))
    assert not list(DyingRelu().detect(among(6)))
