"""overconfidence."""

from __future__ import annotations

import pytest

from penlight.core.facts import Exam
from penlight.pitfalls.overconfidence import Overconfidence
from penlight.testing import check_card, fake_run

SURE = {
    "t": 3.7,
    "loss": 1.4,
    "cooled": 0.5,
    "paired_t": 6.0,
    "rows": 900,
    "sure": 0.95,
    "right": 0.8,
    "entropy": 1.1,
    "guess": 0.35,
    "step": 800,
}


def said(**changes):
    exam = Exam(name="temperature", values={**SURE, **changes})
    return list(Overconfidence().detect(fake_run({}, [exam])))


def test_card():
    assert check_card(Overconfidence()) == []


def test_surer_than_right():
    (found,) = said()
    assert found.severity == "warning"
    assert "95% sure on average and 80% right" in found.says


@pytest.mark.parametrize(
    "changes",
    [
        {"t": 1.26},  # as healthy nets are
        {"t": 0.5, "sure": 0.6},  # smoothing: too little confidence
        {"paired_t": 3.0},  # chance
        {"rows": 120},
        {"right": 0.4},  # nothing was learnt: that is the finding
    ],
)
def test_calibrated(changes):
    assert not said(**changes)


@pytest.mark.parametrize("changes", [{"sure": 0.86}, {"loss": 0.9}, {"right": 0.5}])
def test_a_trifle_is_a_note(changes):
    assert [x.severity for x in said(**changes)] == ["note"]
