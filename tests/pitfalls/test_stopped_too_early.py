"""stopped-too-early: the last third brought its full share of the fall."""

from __future__ import annotations

import math

import pytest

from penlight.core.facts import End, Exam, Fact, Hygiene, Optimizer, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls.stopped_too_early import StoppedTooEarly
from penlight.testing import fake_run, objective


def run(losses: list[float], *facts: Fact) -> Run:
    goal = objective()
    targets = Targets(objective=goal.site, samples=1000, integral=True, classes=(100,) * 10)
    return fake_run({LOSS: losses, (OBJECTIVE_LOSS, goal.site): losses}, [goal, targets, *facts])


def test_a_straight_line_that_ends_high() -> None:
    (found,) = StoppedTooEarly().detect(run([2.3 - 0.005 * i for i in range(100)]))
    assert found.severity == "warning"
    assert "100 steps" in found.says


def test_silent_against_an_adversary() -> None:
    line = [2.3 - 0.004 * i for i in range(100)]
    both = Optimizer(type="Adam"), Optimizer(type="Adam", index=1)
    assert list(StoppedTooEarly().detect(run(line)))
    assert list(StoppedTooEarly().detect(run(line, *both))) == []


def test_silent_on_a_curve_that_has_bent() -> None:
    bent = [1.9 + 0.4 * math.exp(-i / 15) for i in range(100)]
    assert list(StoppedTooEarly().detect(run(bent))) == []


def test_silent_when_much_was_learnt() -> None:
    assert list(StoppedTooEarly().detect(run([2.3 - 0.015 * i for i in range(100)]))) == []


def test_silent_when_the_script_was_cut_short_by_an_error() -> None:
    crashed = End(script_exit=1, error="KeyboardInterrupt", steps=100)
    line = [2.3 - 0.005 * i for i in range(100)]
    assert list(StoppedTooEarly().detect(run(line, crashed))) == []


def brief(accuracy: float, *facts: Fact) -> Run:
    goal = objective()
    targets = Targets(objective=goal.site, samples=1000, integral=True, classes=(100,) * 10)
    series = {LOSS: [2.3, 2.2, 2.1, 2.0, 1.9], (ACCURACY, goal.site): [0.1] * 4 + [accuracy]}
    return fake_run(series, [goal, targets, *facts])


def test_five_steps_that_led_nowhere() -> None:
    (found,) = StoppedTooEarly().detect(brief(0.2))
    assert "5 optimiser steps" in found.says


def test_five_steps_that_were_enough() -> None:
    assert list(StoppedTooEarly().detect(brief(0.9))) == []


@pytest.mark.parametrize(("left", "told"), [(0.4, True), (0.9, False)])
def test_five_steps_on_the_way(left: float, told: bool) -> None:
    """Half was learnt, and whether that is the end is what forty more steps on copies tell."""
    values = {"start": 1.0, "lr": 0.05, "x1": left, "x0.1": 0.97, "x10": 0.5, "steps": 40}
    found = list(StoppedTooEarly().detect(brief(0.6, Exam(name="rates_end", values=values))))
    assert bool(found) is told
    if told:
        assert "60.0%" in found[0].evidence[-1].says


def test_a_step_of_lbfgs_is_many() -> None:
    assert list(StoppedTooEarly().detect(brief(0.2, Optimizer(type="LBFGS", lr=1.0)))) == []


def test_one_step_after_all_batches() -> None:
    """25 batches an epoch, and only the last of them is learnt from."""
    waste = Hygiene(steps=5, losses_seen=125, losses_used=5)
    (found,) = StoppedTooEarly().detect(brief(0.6, waste))
    assert "one in 25" in found.says
    assert "into the loop" in found.prescriptions[0].do
    summed = Hygiene(steps=5, losses_seen=125, losses_used=125)
    assert not any("one in" in f.says for f in StoppedTooEarly().detect(brief(0.6, summed)))
    assert not list(StoppedTooEarly().detect(brief(0.95, waste)))


def test_a_short_noisy_run_whose_continuation_falls_as_fast() -> None:
    noisy = [2.3 - 0.003 * i + 0.06 * (-1) ** i for i in range(46)]
    onward = {"start": 2.17, "lr": 0.05, "x1": 2.0, "x0.1": 2.15, "x10": 1.0, "steps": 40}
    (found,) = StoppedTooEarly().detect(run(noisy, Exam(name="rates_end", values=onward)))
    assert "40 more steps" in found.evidence[0].says
    assert not list(StoppedTooEarly().detect(run(noisy)))  # too noisy to tell by itself
    slow = Exam(name="rates_end", values={**onward, "x1": 2.13})
    assert not list(StoppedTooEarly().detect(run(noisy, slow)))
