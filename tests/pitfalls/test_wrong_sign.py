"""wrong-sign."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penlight.core.facts import Exam, Graph, Op, Optimizer, Parameter
from penlight.core.vocabulary import LOSS as RECORDED
from penlight.core.vocabulary import OBJECTIVE_LOSS
from penlight.pitfalls.wrong_sign import WrongSign
from penlight.testing import check_card, fake_run, objective

LOSS = objective()
NEGATED = Graph(ops=(Op("Neg", inputs=(1,)), Op("NllLoss", inputs=(2,)), Op("LogSoftmax")))
PLAIN = Graph(ops=(Op("NllLoss", inputs=(1,)), Op("LogSoftmax")))
ADAM = Optimizer(type="Adam", parameters=2)
WEIGHT = Parameter(name="fc.weight", reached=True, optimised=True, registered=True, root="Net")
RISING = np.linspace(2.3, 80.0, 60)
FALLING = np.linspace(2.3, 0.1, 60)


def said(*facts, curve=RISING):
    sign = -1 if NEGATED in facts else 1  # what backward() is called on is recorded
    run = fake_run({RECORDED: (sign * curve).tolist()}, [LOSS, WEIGHT, *facts])
    return list(WrongSign().detect(run))


def test_card():
    assert check_card(WrongSign()) == []


def test_a_minus_in_front_of_the_loss():
    (found,) = said(ADAM, NEGATED)
    assert "backward() is called on the negative of the loss" in found.says
    assert found.severity == "critical"
    assert "minus" in found.prescriptions[0].do


def test_an_optimiser_that_maximises():
    (found,) = said(replace(ADAM, maximize=True, source="train.py:7"), PLAIN)
    assert "maximize=True" in found.says
    assert found.source == "train.py:7"


OWN_UPDATE = Optimizer(type="own-update", parameters=2, lr=0.5, source="train.py:9")
WRITTEN = replace(LOSS, by_hand=True, function="nll_loss")


def written(optimizer, *, backwards, curve=RISING, facts=()):
    """A loss written by hand, and what backward() was called on: it, or its negative."""
    series = {
        RECORDED: (backwards * curve).tolist(),
        (OBJECTIVE_LOSS, WRITTEN.site): curve.tolist(),
    }
    run = fake_run(series, [WRITTEN, optimizer, PLAIN, *facts])
    return list(WrongSign().detect(run))


def test_an_update_that_adds_the_gradient():
    (found,) = written(replace(OWN_UPDATE, maximize=True), backwards=1)
    assert "adds the gradient" in found.says
    assert found.prescriptions[0].do.endswith("w -= lr * w.grad.")


def test_a_likelihood_without_its_minus():
    (found,) = written(OWN_UPDATE, backwards=-1)
    assert "without its minus" in found.says
    assert written(ADAM, backwards=-1, facts=[WEIGHT])


@pytest.mark.parametrize(
    ("optimizer", "backwards", "curve"),
    [
        (OWN_UPDATE, 1, RISING),  # a rate that is too high
        (OWN_UPDATE, -1, FALLING),
        (replace(OWN_UPDATE, maximize=True), -1, RISING),  # a likelihood that is climbed
        (replace(OWN_UPDATE, maximize=True, parameters=1), 1, RISING),  # an input, as in an attack
        (ADAM, -1, RISING),  # no weight of a model
    ],
)
def test_silent_on_losses_written_by_hand(optimizer, backwards, curve):
    assert not written(optimizer, backwards=backwards, curve=curve)


@pytest.mark.parametrize(
    "facts",
    [
        (ADAM, PLAIN),  # rises for another reason
        (replace(ADAM, maximize=True), NEGATED),  # two wrongs make a right
        (ADAM, replace(ADAM, index=1), NEGATED),  # an adversary
        (ADAM, NEGATED, objective("mse_loss", site="mse_loss@train.py:8")),
        (ADAM, NEGATED, Parameter(name="delta", reached=True, registered=False)),  # an attack
        (ADAM, NEGATED, PLAIN),  # now this, now that
        (ADAM, Graph(ops=(Op("Neg", inputs=(1,)), Op("Mean", inputs=(2,)), Op("Log")))),
    ],
)
def test_silent(facts):
    assert not said(*facts)


def test_a_loss_that_falls_is_wanted():
    assert not said(ADAM, NEGATED, curve=FALLING)
    assert not said(ADAM, NEGATED, curve=RISING[:5])


DICE = {"first": 0.14, "last": 0.0, "sign": 1, "looks": 8}


def overlapped(optimizer=ADAM, **changes):
    exam = Exam(name="overlap", step=84, values={**DICE, **changes})
    run = fake_run({RECORDED: FALLING.tolist()}, [WEIGHT, optimizer, exam])
    return list(WrongSign().detect(run))


def test_an_overlap_that_is_made_smaller():
    (found,) = overlapped()
    assert "from 0.14 to 0" in found.says
    assert "1 - dice" in found.prescriptions[0].do
    assert overlapped(replace(ADAM, maximize=True), sign=-1)


@pytest.mark.parametrize(
    "changes",
    [
        {"sign": -1},  # taken from one
        {"last": 0.13},  # it is hardly any smaller: the loss may have another term
        {"last": 0.9},
        {"looks": 2},
        {"optimizer": replace(ADAM, maximize=True)},  # it is to grow, and does not: another fault
    ],
)
def test_overlaps_that_count_the_right_way(changes):
    assert not overlapped(**changes)


def fell(curve, *facts, function="binary_cross_entropy", task=0.5):
    site = replace(LOSS, function=function)
    series = {RECORDED: list(curve), (OBJECTIVE_LOSS, site.site): [task] * len(curve)}
    return list(WrongSign().detect(fake_run(series, [site, WEIGHT, ADAM, PLAIN, *facts])))


RUNS_AWAY = 0.7 - 0.01 * np.exp(np.linspace(0, 12, 80))


def test_a_divergence_that_is_subtracted():
    (found,) = fell(RUNS_AWAY)
    assert "no bottom" in found.says
    assert found.severity == "critical"
    at_rest = np.concatenate([RUNS_AWAY[:5], np.full(75, -1.7e24)])  # where float32 holds no more
    assert fell(at_rest)


@pytest.mark.parametrize(
    "curve",
    [
        0.7 - 40 * np.log1p(np.linspace(0, 9, 80)),  # a likelihood slows down
        0.7 - 0.1 * np.exp(np.linspace(0, 4, 80)),  # not deep yet
        np.linspace(300.0, -900.0, 80),  # steadily, and the loss was large
        RUNS_AWAY[:10],
    ],
)
def test_losses_below_zero_by_nature(curve):
    assert not fell(curve)


def test_a_loss_function_that_goes_below_zero_itself():
    assert not fell(RUNS_AWAY, task=-3.0)  # labels 1 and 2 under a binary cross-entropy, say


def test_who_maximises_is_asked_first():
    assert not fell(RUNS_AWAY, replace(ADAM, index=1))  # two optimisers: an adversary
