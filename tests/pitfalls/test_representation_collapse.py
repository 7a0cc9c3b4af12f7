"""representation-collapse."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Module
from penlight.core.vocabulary import DEPENDENCE, LOSS
from penlight.pitfalls.representation_collapse import RepresentationCollapse
from penlight.testing import check_card, fake_run, objective

BETTER = np.linspace(0.0, -1.0, 200).tolist()
GONE = np.geomspace(0.6, 0.01, 200).tolist()


def said(*facts, losses=BETTER, spread=GONE):
    module = Module(name="encoder.2", type="Linear", root="encoder")
    series = {LOSS: losses, (DEPENDENCE, "encoder.2"): spread}
    return list(RepresentationCollapse().detect(fake_run(series, [module, *facts])))


def test_card():
    assert check_card(RepresentationCollapse()) == []


def test_a_perfect_loss_and_one_embedding():
    (found,) = said()
    assert found.where == "encoder.2"
    assert "all inputs get the same embedding" in found.says


@pytest.mark.parametrize(
    "changes",
    [
        {"spread": np.linspace(0.6, 0.4, 200).tolist()},  # it settles, and stays varied
        {"spread": [0.02] * 200},  # it never depended on the input: another fault
        {"losses": np.linspace(0.0, 1.0, 200).tolist()},  # the loss is no better for it
        {"spread": GONE[::20]},  # too few looks
    ],
)
def test_no_collapse(changes):
    assert not said(**changes)


def test_supervised_outputs_are_not_asked():
    assert not said(objective())
