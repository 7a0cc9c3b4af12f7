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
        {"blank": 0.25},  # the most frequent class is named, whatever the row
        {"wrong": 0.6},  # nothing is learnt yet
        {"share": 0.48},  # no rule behind them: mixed-up labels
    ],
)
def test_labels_that_are_right(changes):
    assert not said(**changes)


def test_one_window_is_an_accident():
    exam = Exam(name="mistaken", values={"windows": [EARLY, NOISY]})
    assert not list(LabelNoise().detect(fake_run({}, [exam])))
