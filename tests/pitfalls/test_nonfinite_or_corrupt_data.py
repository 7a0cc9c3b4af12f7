"""nonfinite-or-corrupt-data."""

from __future__ import annotations

import math

import pytest

from penlight.core.facts import Exam, Inputs, NonFinite, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.nonfinite_or_corrupt_data import NonfiniteOrCorruptData
from penlight.testing import check_card, fake_run

FINE = [2.0, 1.5, 1.2, 1.0]
BROKEN = [2.0, 1.5, math.nan, math.nan]


def said(losses, *facts):
    return list(NonfiniteOrCorruptData().detect(fake_run({LOSS: losses}, facts)))


def test_card():
    assert check_card(NonfiniteOrCorruptData()) == []


def test_nan_in_the_inputs():
    (found,) = said(BROKEN, Inputs(samples=100, nonfinite=7))
    assert found.severity == "critical"
    assert found.exact
    assert found.first_step == 2
    assert "7 values" in found.says


def test_a_late_batch():
    birth = NonFinite(step=900, direction="input", rows=(4,), module="fc1")
    (found,) = said(BROKEN, birth)
    assert "rows 4" in found.evidence[0].says


def test_what_one_model_hands_to_another_is_no_data():
    slope = NonFinite(step=2, direction="backward", module="head")
    assert not said(BROKEN, Inputs(root="head", samples=100, nonfinite=7), slope)


def test_masked_by_the_model():
    (found,) = said(FINE, Inputs(samples=100, nonfinite=7))
    assert found.severity == "note"


def test_targets():
    seen = Targets(objective="mse_loss", samples=64, mean=(math.nan,))
    (found,) = said(BROKEN, seen)
    assert "targets" in found.says
    assert not said(FINE, seen)


@pytest.mark.parametrize(("low", "high", "fires"), [(-9999, 40, True), (-999, 900, False)])
def test_stand_ins(low, high, fires):
    found = said(FINE, Inputs(samples=100, min=low, max=high))
    assert [x.severity for x in found] == ["warning"] * fires


@pytest.mark.parametrize(
    ("closer", "seam", "edge", "fires"),
    [
        (0.7, 0.9, 0.01, True),
        (0.97, 0.9, 0.01, False),
        (0.7, 0.1, 0.01, False),
        (0.7, 0.9, 0.7, False),
    ],
)
def test_bytes_that_wrapped_around(closer, seam, edge, fires):
    values = {"closer": closer, "seam": seam, "edge": edge, "shift": 128}
    found = said(FINE, Exam(name="wrapped", values=values))
    assert [x.severity for x in found] == ["critical"] * fires
    assert not fires or "128 was subtracted" in found[0].says


def test_healthy():
    assert not said(FINE, Inputs(samples=100, min=-3.0, max=3.0))
    assert not said(BROKEN, Inputs(samples=100, min=-3.0, max=3.0))
    assert not said(FINE, Inputs(samples=100, min=0, max=99999, embedded=True))
