"""catastrophic-forgetting."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Exam, Predictions
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.catastrophic_forgetting import CatastrophicForgetting
from penlight.testing import check_card, fake_run, objective

SWITCH = np.concatenate([np.linspace(1.4, 0.1, 150), np.linspace(2.0, 0.1, 150)]).tolist()
VALUES = {"first": 2.6, "last": 0.1, "untrained": 1.45, "step": 299}


def said(scores=(0.5, 0.98, 0.6, 0.4), losses=SWITCH, **changes):
    passes = [
        Predictions(
            objective="eval", step=70 * (i + 1), samples=300, accuracy=a, labels=(75, 75, 75, 75)
        )
        for i, a in enumerate(scores)
    ]
    exam = Exam(name="forgotten", values={**VALUES, **changes})
    run = fake_run({LOSS: losses}, [objective(input_shape=(35, 4)), *passes, exam])
    return list(CatastrophicForgetting().detect(run))


def test_card():
    assert check_card(CatastrophicForgetting()) == []


def test_an_old_task_that_is_still_measured():
    (found,) = said()
    assert found.severity == "critical"
    assert "fell from 98% to 40%" in found.says


def test_an_old_task_that_nobody_asks_for():
    assert [x.severity for x in said(scores=())] == ["note"]
    assert [x.severity for x in said(scores=(0.5, 0.98, 0.97))] == ["note"]


@pytest.mark.parametrize(
    "changes",
    [
        {"first": 0.2},  # still known
        {"last": 1.3},  # nothing is known: another fault
        {"losses": [1.4] * 300},  # it was never learnt
    ],
)
def test_nothing_forgotten(changes):
    assert not said(**changes)
