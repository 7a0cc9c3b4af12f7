"""output-logit-drift."""

from __future__ import annotations

import numpy as np

from penlight.core.facts import Targets
from penlight.core.vocabulary import LOG_NORMALISER, LOSS, OUTPUT_MEAN
from penlight.pitfalls.output_logit_drift import OutputLogitDrift
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"
TARGETS = Targets(objective=SITE, classes=(100,) * 10)
STUCK = np.full(100, 2.3)


def said(level, mean, losses=STUCK, dtype="bfloat16"):
    series = {
        LOSS: losses,
        (LOG_NORMALISER, SITE): np.broadcast_to(level, 100),
        (OUTPUT_MEAN, SITE): np.broadcast_to(mean, 100),
    }
    return list(
        OutputLogitDrift().detect(fake_run(series, [objective(input_dtype=dtype), TARGETS]))
    )


def test_card():
    assert check_card(OutputLogitDrift()) == []


def test_far_from_zero():
    (found,) = said(302.0, 300.0)
    assert found.severity == "warning"
    assert "+300" in found.says
    (found,) = said(np.linspace(2.3, -150.0, 100), np.linspace(0.0, -152.0, 100))
    assert "-149 from zero" in found.says


def test_in_full_precision_it_is_a_note():
    (found,) = said(302.0, 300.0, dtype="float32")
    assert found.severity == "note"


def test_looks_alike():
    assert not said(2.3, 0.0)
    assert not said(20.0, 18.0)  # still told apart
    assert not said(300.0, 0.0)  # spread, not shifted: too high a rate
    assert not said(302.0, 300.0, np.geomspace(2.3, 0.05, 100))  # it learns
