"""shortcut-feature."""

from __future__ import annotations

import pytest

from penlight.core.facts import Exam
from penlight.pitfalls.shortcut_feature import ShortcutFeature
from penlight.testing import check_card, fake_run

LEAK = {
    "told": [0.95, 0.2, 0.1],
    "column": [12, 3, 4],
    "columns": 13,
    "rows": 800,
    "shape": [13],
    "varying": 13,
}


def said(**changes):
    exam = Exam(name="columns", values={**LEAK, **changes})
    return list(ShortcutFeature().detect(fake_run({}, [exam])))


def test_card():
    assert check_card(ShortcutFeature()) == []


def test_a_column_that_holds_the_answer():
    (found,) = said()
    assert found.where == "column 12"
    assert "column 12 tells 95% of the answer on its own" in found.says


def test_a_mark_in_the_corner_of_a_picture():
    (found,) = said(shape=[3, 8, 8], column=[64 + 7, 0], columns=192, varying=192)
    assert found.where == "place (1, 0, 7)"


@pytest.mark.parametrize(
    "changes",
    [
        {"told": [0.7, 0.1]},  # a strong column of an honest task
        {"told": [0.95, 0.6]},  # a simple task: several columns tell much
        {"told": [1.0, 0.002]},  # the column is the task: nothing else goes with the answer
        {"varying": 2},
        {"rows": 150},
    ],
)
def test_honest_columns(changes):
    assert not said(**changes)
