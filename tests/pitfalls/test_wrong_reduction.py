"""wrong-reduction."""

from __future__ import annotations

import math

from penlight.core.facts import Exam, Hygiene, Targets
from penlight.core.vocabulary import ACCURACY, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls.wrong_reduction import WrongReduction
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"
STUCK = [1.8, 2.5, 3.0, 2.8] * 5
FALLS = [1.8, 1.0, 0.5, 0.2] + [0.1] * 16


def said(*facts, curve=STUCK, optimizer="SGD", **fields):
    aim = objective(**{"reduction": "sum", **fields})
    run = fake_run({(OBJECTIVE_LOSS, SITE): curve}, (aim, *facts), optimizer=optimizer, lr=0.1)
    return list(WrongReduction().detect(run))


def test_card():
    assert check_card(WrongReduction()) == []


def test_gets_nowhere():
    (found,) = said()
    assert "summed over 32 targets" in found.says
    assert "acts like 3.2" in found.says
    assert "not a number" in said(curve=[1.8] * 9 + [math.nan] * 9)[0].says


def test_harmless():
    assert not said(curve=FALLS)
    assert not said(optimizer="Adam")
    assert not said(reduction="mean")
    assert not said(input_shape=(4, 10), target_shape=(4,))
    assert not said(Hygiene(clip_calls=20))
    assert said(by_hand=True)
    assert not said(by_hand=True, optimizer="own-update"), "its update may divide by the rows"


def test_divided_afterwards(net):
    assert not said(net("Div", "NllLoss", "LogSoftmax", "out[64,10]"))
    assert said(net("NllLoss", "LogSoftmax", "out[64,10]"))


SLOWLY = [2.3 - 0.02 * i for i in range(20)]
AHEAD = {"start": 1.9, "lr": 0.1, "x1": 1.85, "x0.1": 1.89, "x10": 1.2, "steps": 40}


def twice(*facts, accuracy=0.3, size=32, optimizer="SGD", backwards=20):
    """A mean over 32 labels of ten kinds that is divided by a number again."""
    aim = objective(reduction="mean")
    kinds = Targets(objective=SITE, samples=1000, integral=True, classes=(100,) * 10)
    loops = Hygiene(steps=20, backwards=backwards)
    right = [0.1] * 10 + [accuracy] * 10
    means = {(OBJECTIVE_LOSS, SITE): SLOWLY, (ACCURACY, SITE): right}
    series = {**means, LOSS: [x / size for x in SLOWLY]}
    run = fake_run(series, (aim, kinds, loops, *facts), optimizer=optimizer, lr=0.1)
    return list(WrongReduction().detect(run))


def test_divided_twice():
    (found,) = twice()
    assert "by the 32 samples of the batch again" in found.says
    assert "acts like 0.0031" in found.says
    assert found.prescriptions[0].edits == ("divide-once",)
    assert twice(Exam(name="rates_end", values=AHEAD))


def test_a_division_that_is_right():
    assert not twice(size=30), "no mean over the batch"
    assert not twice(optimizer="Adam"), "Adam divides it out"
    assert not twice(backwards=640), "the mean of what a step collects"
    assert not twice(accuracy=0.95), "it learns well"
    assert not twice(Exam(name="rates_end", values={**AHEAD, "x10": 3.0})), "a rate chosen for it"
