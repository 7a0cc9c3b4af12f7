"""fine-tune-mismatch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penlight.core.facts import Exam, Parameter, Targets
from penlight.pitfalls.fine_tune_mismatch import FineTuneMismatch
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 4, entropy=1.386)


TRAINED = Parameter(name="fc.weight", shape=(8, 16), module="fc", module_type="Linear", std=0.8)


def said(plain=2.5, loss=0.2, t=12.0, weights=TRAINED):
    turned = {"divided by 255": {"loss": loss, "t": t}, "other": {"loss": 3.0, "t": -2.0}}
    exam = Exam(name="conventions", values={"as it is": plain, "turned": turned, "batches": 8})
    run = fake_run({}, [objective(input_shape=(32, 4)), TARGETS, exam, weights])
    return list(FineTuneMismatch().detect(run))


def test_card():
    assert check_card(FineTuneMismatch()) == []


def test_bytes_instead_of_fractions():
    (found,) = said()
    assert "0.2 with the input divided by 255, but 2.5 as it is fed here" in found.says


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": 1.3},  # random weights: scaling helps, and still they know nothing
        {"plain": 0.22},  # fed as it was trained
        {"t": 3.0},
        {"weights": replace(TRAINED, shape=(1, 1))},  # a lucky start
    ],
)
def test_no_mismatch(changes):
    assert not said(**changes)


def test_targets_whose_guess_is_unknown():
    exam = Exam(name="conventions", values={"as it is": 2.0, "turned": {}, "batches": 8})
    assert not list(FineTuneMismatch().detect(fake_run({}, [objective(), exam])))
