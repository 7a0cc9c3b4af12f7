"""exploding-gradient: growth over the layers before any step, in a run that it ruins."""

from __future__ import annotations

import math
from collections.abc import Sequence

from penlight.core.facts import Graph, Op, Parameter, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import ACT_RMS, LOSS, OUTPUT_GRAD
from penlight.pitfalls.exploding_gradient import ExplodingGradient
from penlight.testing import check_card, fake_run, objective, stack

FLIES = [40.0, 1e5, 1e9] + [math.nan] * 97
LEARNS = [1.39 - 0.013 * i for i in range(100)]
FOURS = Targets("cross_entropy@train.py:1", samples=100, classes=(25, 25, 25, 25), entropy=1.386)


def run_of(gain: float, loss: Sequence[float] = FLIES, forward: float = 1.0, depth: int = 8) -> Run:
    """A stack of Linear layers, each with the given gain backward and forward."""
    series = {(OUTPUT_GRAD, str(i)): [gain ** (depth - i)] * 20 for i in range(depth)}
    series |= {(ACT_RMS, str(i)): [forward**i] * 20 for i in range(depth)}
    return fake_run(
        {LOSS: loss, **series},
        [
            *stack(*["Linear"] * depth),
            *(
                Parameter(f"{i}.weight", (64, 64), module=str(i), module_type="Linear", root="Net")
                for i in range(depth)
            ),
            objective(input_shape=(32, 4), first_loss=loss[0]),
            FOURS,
        ],
    )


def test_convicts_growth_backward() -> None:
    [found] = ExplodingGradient().detect(run_of(3.0))
    assert found.severity == "critical"
    assert found.where == "0"
    assert found.first_step == 0
    assert "2,200-fold" in found.says
    assert "factor of 3 at each of 8 layers" in found.says
    assert "at step 3 the loss is no number" in found.says


def test_convicts_growth_forward() -> None:
    [found] = ExplodingGradient().detect(run_of(1.0, forward=3.0))
    assert found.evidence[0].signal == "act_rms"
    assert found.where == "7"


def test_a_run_that_learns_is_healthy() -> None:
    assert not list(ExplodingGradient().detect(run_of(3.0, LEARNS)))


def test_a_run_that_flies_off_without_growth_has_another_cause() -> None:
    assert not list(ExplodingGradient().detect(run_of(1.05)))


def test_convicts_a_loop_that_flies_off() -> None:
    run = fake_run(
        {LOSS: [0.7] + [8.1] * 99, (ACT_RMS, "drop"): {0: 0.4, 1: 2.0, 2: 1e9, 3: 1e17}},
        [
            Graph(ops=(Op("Mean"), *[Op("Addmm", module="rnn.gates")] * 60)),
            objective(input_shape=(32, 4)),
            FOURS,
        ],
    )
    [found] = ExplodingGradient().detect(run)
    assert found.where == "rnn.gates"
    assert found.first_step == 2
    assert "applied 60 times over" in found.says


def test_copes_with_an_empty_run() -> None:
    assert not list(ExplodingGradient().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(ExplodingGradient())
