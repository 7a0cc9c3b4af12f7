"""saturated-activation: hidden units at their flat ends in a run that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penlight.core.facts import Graph, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import ACT_ABSMAX, LOSS, SATURATED_SHARE
from penlight.pitfalls.saturated_activation import SaturatedActivation
from penlight.testing import check_card, fake_run, objective, stack

STUCK = [1.39] * 100
LEARNS = [1.39 - 0.013 * i for i in range(100)]
FOURS = Targets("cross_entropy@train.py:1", samples=100, classes=(25, 25, 25, 25), entropy=1.386)
Net = Callable[..., Graph]


def run_of(
    share: Sequence[float], graph: Graph | None = None, loss: Sequence[float] = STUCK
) -> Run:
    return fake_run(
        {LOSS: loss, (SATURATED_SHARE, "1"): share, (ACT_ABSMAX, "0"): [87.0] * 20},
        [
            *stack("Linear", "Tanh", "Linear"),
            objective(input_shape=(32, 4), first_loss=1.39),
            FOURS,
            *([graph] if graph is not None else []),
        ],
    )


def test_convicts_units_that_start_pinned() -> None:
    [found] = SaturatedActivation().detect(run_of([0.97] * 20))
    assert found.severity == "critical"
    assert found.where == "1"
    assert found.says == "97% of the units of 1 are pinned at the flat ends, from the start."
    assert "reaches 87" in found.evidence[1].says


def test_says_when_they_got_there() -> None:
    [found] = SaturatedActivation().detect(run_of([0.0] * 10 + [0.9] * 10))
    assert found.first_step == 10
    assert "at first it were 0%" in found.says
    assert "lr-too-high" in SaturatedActivation.caused_by


def test_a_run_that_learns_is_healthy() -> None:
    assert not list(SaturatedActivation().detect(run_of([0.97] * 20, loss=LEARNS)))


def test_units_in_the_steep_part_are_silent() -> None:
    assert not list(SaturatedActivation().detect(run_of([0.1] * 20)))


def test_gates_saturate_on_purpose(net: Net) -> None:
    graph = net("NllLoss", "LogSoftmax", "2[64,4]", "Mul", "Tanh", "1[64,64]")
    assert not list(SaturatedActivation().detect(run_of([0.97] * 20, graph)))


def test_the_output_may_saturate(net: Net) -> None:
    graph = net("MseLoss", "Sigmoid", "1[64,1]")
    assert not list(SaturatedActivation().detect(run_of([0.97] * 20, graph)))


def test_copes_with_an_empty_run() -> None:
    assert not list(SaturatedActivation().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(SaturatedActivation())
