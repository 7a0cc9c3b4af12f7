"""label-noise."""

from __future__ import annotations

import pytest

from penlight.core.facts import Exam
from penlight.pitfalls.label_noise import LabelNoise
from penlight.testing import check_card, fake_run

NOISY = {"step": 25, "rows": 900, "share": 0.22, "gain": 45.0, "wrong": 0.24, "surest": 0.22}
EARLY = {"step": 0, "rows": 900, "share": 0.3, "gain": 22.0, "wrong": 0.6, "surest": 0.3}


def said(**changes):
    windows = [EARLY, {**NOISY, **changes}, {**NOISY, "step": 38, **changes}]
    exam = Exam(name="mistaken", values={"windows": windows})
    return list(LabelNoise().detect(fake_run({}, [exam])))


def test_card():
    assert check_card(LabelNoise()) == []


def test_wrong_at_full_certainty():
    (found,) = said()
    assert found.severity == "warning"
    assert "About 22% of the training labels" in found.says
    assert found.first_step == 25


@pytest.mark.parametrize(
    "changes",
    [
        {"step": 0},  # the model began untrained
        {"surest": 0.03},  # classes overlap: errors die out where the model is sure
        {"share": 0.02},  # the hard cases of any data set
        {"gain": 9.0},  # chance
        {"wrong": 0.6},  # nothing is learnt yet
        {"share": 0.48},  # no rule behind them: mixed-up labels
    ],
)
def test_labels_that_are_right(changes):
    assert not said(**changes)


def test_one_window_is_an_accident():
    exam = Exam(name="mistaken", values={"windows": [EARLY, NOISY]})
    assert not list(LabelNoise().detect(fake_run({}, [exam])))


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ({"share": 0.0, "gain": 9.0, "wrong": 0.15, "surest": 0.02}, False),  # in doubt, and right
        ({"share": 0.0, "gain": 0.0, "wrong": 0.03, "surest": 0.0}, True),  # learnt by heart
    ],
)
def test_what_the_later_training_shows(later, told):
    windows = [EARLY, NOISY, {**NOISY, "step": 38}, {"step": 500, "rows": 900, **later}]
    exam = Exam(name="mistaken", values={"windows": windows})
    assert bool(list(LabelNoise().detect(fake_run({}, [exam])))) == told
