"""rnn-long-range."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Exam, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.rnn_long_range import RnnLongRange, half_life
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100, 100))
STUCK = np.full(100, 0.69)
FADES = 0.6 ** np.arange(29, -1, -1)


def said(start=FADES, end=FADES, told=30.0, losses=STUCK, **more):
    values = {"module": "lstm", "type": "LSTM", "bidirectional": False, "told": told, **more}
    values |= {"start": list(start), "end": list(end)}
    facts = [objective(), TARGETS, Exam(name="memory", values=values)]
    return list(RnnLongRange().detect(fake_run({LOSS: losses}, facts)))


def test_card():
    assert check_card(RnnLongRange()) == []


def test_forgets_what_it_is_asked_for():
    (found,) = said()
    assert found.severity == "critical"
    assert found.where == "lstm"
    (found,) = said(losses=np.linspace(0.69, 0.45, 100))
    assert found.severity == "warning"


def test_who_knows_what_the_task_needs():
    for told in (2.0, None):
        (found,) = said(told=told)
        assert found.severity == "note"


@pytest.mark.parametrize(
    "end",
    [
        np.ones(30),  # a tagger, an average over time, attention
        0.95 ** np.arange(29, -1, -1),  # open gates
        [*[1e-9] * 20, *[1.0] * 10],  # cut at one place
        [*[0.0] * 20, *[1.0] * 10],
    ],
)
def test_looks_alike(end):
    assert not said(end, end)


def test_a_gradient_that_float32_has_rounded_to_nothing():
    light = 0.6 ** np.arange(299, -1, -1)
    light[light < 1e-44] = 0.0
    (found,) = said(light, light)
    assert f"every {half_life(light):.1f} steps" in found.says
    assert half_life(light) == pytest.approx(np.log(0.5) / np.log(0.6))


def test_one_that_has_learnt_to_remember():
    assert not said(end=0.95 ** np.arange(29, -1, -1))
    assert not said(losses=np.linspace(0.69, 0.1, 100))
    assert not said(bidirectional=True)


def test_half_life():
    assert half_life(0.5 ** np.arange(20, -1, -1)) == pytest.approx(1.0)
    assert half_life(np.array([1.0])) == float("inf")
