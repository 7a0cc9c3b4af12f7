"""clip-always-on."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Exam, Targets
from penlight.core.vocabulary import CLIP_FACTOR, LOSS
from penlight.pitfalls.clip_always_on import ClipAlwaysOn
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 10)
SLOW = np.linspace(2.3, 1.5, 300)
SITE = "train.py:20"


def said(factors, losses=SLOW, optimizer="SGD", free=0.5):
    facts = [objective(), TARGETS]
    if free is not None:
        start = float(losses[-1])
        facts.append(Exam(name="rates_end", values={"start": start, "x1": free * start}))
    run = fake_run({LOSS: losses, (CLIP_FACTOR, SITE): factors}, facts, optimizer=optimizer)
    return list(ClipAlwaysOn().detect(run))


def test_card():
    assert check_card(ClipAlwaysOn()) == []


def test_always_on():
    (found,) = said([0.02] * 300)
    assert found.severity == "critical"
    assert found.source == SITE


def test_without_a_replay():
    (found,) = said([0.002] * 300, free=None)
    assert found.severity == "warning"
    assert not said([0.02] * 300, free=None)


@pytest.mark.parametrize(
    "factors",
    [
        [1.0] * 300,
        [0.01] * 50 + [1.0] * 250,  # at the start only
        [0.5] * 300,  # always, but not by much
        [0.01, 1.0] * 150,  # every second step
        [0.01] * 10,  # hardly looked at
    ],
)
def test_clipping_as_it_should_be(factors):
    assert not said(factors)


def test_looks_alike():
    tight = [0.02] * 300
    assert not said(tight, optimizer="AdamW")  # divides it out
    assert not said(tight, losses=np.geomspace(2.3, 0.01, 300))  # it has learnt
    assert not said(tight, free=3.0)  # without the clip it flies off
    assert not said(tight, free=float("nan"))
