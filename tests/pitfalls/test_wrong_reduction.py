"""wrong-reduction."""

from __future__ import annotations

import math

from penlight.core.facts import Hygiene
from penlight.core.vocabulary import OBJECTIVE_LOSS
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
