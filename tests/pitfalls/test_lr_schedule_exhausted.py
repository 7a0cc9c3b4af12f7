"""lr-schedule-exhausted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penlight.core.facts import Exam, Optimizer, Targets
from penlight.core.vocabulary import LOSS, LR
from penlight.pitfalls.lr_schedule_exhausted import LrScheduleExhausted, spending
from penlight.testing import check_card, fake_run, objective

STUCK = [*np.linspace(2.3, 1.8, 100), *([1.8] * 700)]
TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 10)


def said(rates, losses=STUCK, *facts):
    run = fake_run({LOSS: losses, LR: rates}, [objective(), TARGETS, *facts])
    return list(LrScheduleExhausted().detect(run))


def stepped(every, gamma, peak=0.1):
    return {i * every: peak * gamma**i for i in range(math.ceil(800 / every))}


def cosine(until=800):
    return {i: 0.05 * (1 + math.cos(math.pi * min(i / until, 1))) for i in range(800)}


def test_card():
    assert check_card(LrScheduleExhausted()) == []


@pytest.mark.parametrize("rates", [stepped(8, 0.1), cosine(100), {0: 0.1, 40: 1e-6}])
def test_spent_too_soon(rates):
    (found,) = said(rates)
    assert found.severity == "critical"
    assert found.first_step < 200


def test_a_decay_per_epoch_that_is_counted_in_batches():
    slow = [*np.linspace(2.3, 2.2, 300), *np.linspace(2.2, 2.15, 500)]
    (found,) = said({i: 0.02 / (1 + 0.5 * i) for i in range(800)}, slow)
    assert "75% of the steps ran below a hundredth of the peak" in found.evidence[0].says
    assert not said({i: 0.02 / (1 + 0.2 * i) for i in range(800)}, slow)  # slower
    arrived = [*np.linspace(2.3, 2.0, 300), *([2.01, 1.99] * 250)]
    assert not said({i: 0.02 / (1 + 0.5 * i) for i in range(800)}, arrived)
    learnt = [*np.linspace(2.3, 0.9, 300), *np.linspace(0.9, 0.8, 500)]
    assert not said({i: 0.02 / (1 + 0.5 * i) for i in range(800)}, learnt)


@pytest.mark.parametrize(
    "rates",
    [
        {0: 0.1},
        stepped(267, 0.1),
        cosine(),
        {i: 0.1 * min(1, (i + 1) / 100) for i in range(101)},  # warmup
        {i: 0.1 * 0.5 ** (i % 100 / 10) for i in range(800)},  # warm restarts
    ],
)
def test_schedules_that_last(rates):
    assert not said(rates)


def test_a_run_that_has_learnt():
    assert not said(stepped(8, 0.1), [*np.linspace(2.3, 0.05, 30), *([0.05] * 770)])


def test_a_loss_that_had_stopped_falling_before():
    plateau = [*np.linspace(2.3, 1.8, 30), *([1.8, 1.82] * 385)]
    assert not said({0: 0.1, 200: 1e-6}, plateau)
    assert said({0: 0.1, 200: 1e-6}, [*np.linspace(2.3, 1.5, 200), *([1.5] * 600)])


def test_spending_of_a_constant_rate_is_unknown():
    run = fake_run({LR: {0: 0.1}})
    assert spending(run.series(LR), 100) is None


def test_the_first_rate_revives_a_loss_too_noisy_for_a_trend():
    noisy = [2.1 + 0.3 * (-1) ** i for i in range(100)] + [1.8] * 700

    def again(loss):
        values = {"start": 1.8, "x1": loss, "x0.1": 1.7, "x10": 9.0, "steps": 40}
        return Exam(name="rates_end", values=values)

    assert not said(stepped(8, 0.5), noisy)
    assert said(stepped(8, 0.5), noisy, again(0.9))
    assert not said(stepped(8, 0.5), noisy, again(1.7))


def test_a_loss_of_no_known_kind_needs_a_schedule_that_is_beyond_doubt():
    def told(rates):
        run = fake_run({LOSS: STUCK, LR: rates})
        return list(LrScheduleExhausted().detect(run))

    (found,) = told(stepped(8, 0.1))
    assert "is not known here" in found.evidence[1].says
    assert not told(stepped(120, 0.1))  # of 800: StepLR(30) over 200 epochs
    assert not told({0: 0.1, 200: 1e-6})


@pytest.mark.parametrize(("other", "fires"), [({0: 0.1, 40: 1e-6}, True), ({0: 0.1}, False)])
def test_of_two_optimisers_both_must_have_run_dry(other, fires):
    curves = {LOSS: STUCK, LR: {0: 0.1, 30: 1e-6}, (LR, "Adam#2"): other}
    pair = [Optimizer(index=i, type="Adam", lr=0.1) for i in range(2)]
    run = fake_run(curves, [objective(), TARGETS, *pair])
    assert len(run.optimizers) == 2
    assert bool(list(LrScheduleExhausted().detect(run))) is fires
