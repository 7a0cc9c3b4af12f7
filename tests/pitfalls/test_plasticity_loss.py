"""plasticity-loss."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Exam, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.plasticity_loss import PlasticityLoss
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 4, entropy=1.386)
WORN = np.concatenate([np.linspace(1.4, 0.3, 200), np.linspace(1.3, 1.2, 200)]).tolist()
VALUES = {"start": 1.4, "fresh": 0.5, "now": 1.3, "veteran": 1.2, "steps": 40, "step": 398}


def said(losses=WORN, **changes):
    exam = Exam(name="fresh", values={**VALUES, **changes})
    run = fake_run({LOSS: losses}, [objective(input_shape=(32, 4)), TARGETS, exam])
    return list(PlasticityLoss().detect(run))


def test_card():
    assert check_card(PlasticityLoss()) == []


def test_fresh_weights_overtake_a_veteran():
    (found,) = said()
    assert found.severity == "critical"
    assert "come to 1.2" in found.says
    assert 150 < found.first_step < 200


@pytest.mark.parametrize(
    "changes",
    [
        {"fresh": 1.1},  # the batches are hard for everybody
        {"veteran": 0.4},  # it learns them when asked to
        {"losses": [1.35] * 400},  # it never learnt: another fault
    ],
)
def test_plastic_still(changes):
    assert not said(**changes)
