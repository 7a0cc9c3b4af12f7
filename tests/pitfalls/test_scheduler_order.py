"""scheduler-order."""

from __future__ import annotations

import pytest

from penlight.core.facts import Hygiene, Schedule
from penlight.core.vocabulary import LR
from penlight.pitfalls.scheduler_order import SchedulerOrder
from penlight.testing import check_card, fake_run


def said(type_="OneCycleLR", *, rates=None, passes=12, steps=480, **fields):
    fact = Schedule(type=type_, step=steps, built_lr=0.1, **fields)
    facts = [fact, Hygiene(steps=steps, eval_gaps=passes)]
    run = fake_run({LR: rates or {0: 0.001, 400: 0.002}}, facts, steps=steps)
    return list(SchedulerOrder().detect(run))


def test_card():
    assert check_card(SchedulerOrder()) == []


def test_made_in_steps_and_called_by_epoch():
    (found,) = said(horizon=480, calls=12)
    assert found.severity == "critical"
    assert "called 12 times" in found.says
    (found,) = said("CosineAnnealingLR", horizon=480, calls=12, rates={0: 0.1, 400: 0.0999})
    assert found.severity == "note", "a decay that does not begin is a constant rate"


@pytest.mark.parametrize(
    "fields",
    [
        {"horizon": 480, "calls": 480},
        {"horizon": 4800, "calls": 12},  # a tenth of the planned run
        {"horizon": 12, "calls": 12},
        {"horizon": 480, "calls": 0},
        {"horizon": 480, "calls": 12, "loaded": True},
        {"horizon": 0, "calls": 12},
    ],
)
def test_as_planned(fields):
    assert not said(**fields)


def test_made_in_epochs_and_called_by_batch():
    (found,) = said("CosineAnnealingLR", horizon=12, calls=480)
    assert found.severity == "warning"
    assert "20 times" in found.says
    assert not said("CosineAnnealingWarmRestarts", horizon=12, calls=480)
    assert not said("CosineAnnealingLR", horizon=160, calls=480), "a swing as long as that is meant"
    assert not said("CosineAnnealingLR", horizon=12, calls=24)


def test_a_warm_up_in_steps_that_is_called_by_epoch():
    rising = {0: 0.1 / 75, 100: 0.3 / 75, 400: 0.8 / 75}
    (found,) = said("LambdaLR", rates=rising, calls=8, base_lr=0.1)
    assert found.severity == "critical"
    assert "at 11% of the learning rate of 0.1" in found.says
    assert "about 75 calls" in found.says
    (found,) = said(
        "LambdaLR", rates={30 * i: (i + 1) / 750 for i in range(9)}, calls=1, base_lr=0.1
    )
    assert "called about 8 times" in found.says, "it was seen last after its first call"


@pytest.mark.parametrize(
    "fields",
    [
        {"calls": 480},  # after every step: a long warm-up
        {"calls": 8, "base_lr": 0.02},  # of 15 epochs
        {"calls": 8, "rates": {0: 0.004, 100: 0.011, 400: 0.01}},  # it has begun to fall
        {"calls": 8, "loaded": True},
        {"calls": 8, "base_lr": 0.0},
    ],
)
def test_other_warm_ups(fields):
    given = {"rates": {0: 0.1 / 75, 100: 0.3 / 75, 400: 0.8 / 75}, "base_lr": 0.1, **fields}
    assert not said("LambdaLR", **given)


def test_first_rate_skipped():
    (found,) = said("StepLR", early=1, calls=12, rates={0: 0.01})
    assert found.severity == "warning"
    (found,) = said("StepLR", early=1, calls=12, rates={0: 0.099})
    assert found.severity == "note"
    assert not said("StepLR", early=40, calls=52, rates={0: 0.01}), "fast-forwarded"
    assert not said("StepLR", early=1, calls=12, rates={0: 0.01}, loaded=True)
