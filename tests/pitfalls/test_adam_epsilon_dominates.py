"""adam-epsilon-dominates."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Optimizer, Parameter, Targets
from penlight.core.vocabulary import EPSILON_FACTOR, LOSS
from penlight.pitfalls.adam_epsilon_dominates import AdamEpsilonDominates
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 10)
WEIGHTS = [Parameter(name=f"{i}.weight", shape=(64, 64)) for i in range(4)]
SLOW = np.linspace(2.3, 1.9, 200)


def said(*factors, losses=SLOW, eps=1.0):
    series = {LOSS: losses}
    for p, factor in zip(WEIGHTS, factors, strict=True):
        series[EPSILON_FACTOR, p.name] = np.broadcast_to(factor, 200)
    facts = [Optimizer(type="Adam", lr=1e-3, eps=eps), objective(), TARGETS, *WEIGHTS]
    return list(AdamEpsilonDominates().detect(fake_run(series, facts)))


def test_card():
    assert check_card(AdamEpsilonDominates()) == []


def test_a_large_epsilon():
    (found,) = said(2e-3, 2e-3, 5e-3, 1e-2)
    assert found.severity == "critical"
    assert "eps=1 is far larger" in found.says


def test_tiny_gradients():
    (found,) = said(5e-4, 5e-4, 5e-4, 5e-4, eps=1e-8)
    assert "below eps=1e-08" in found.says


@pytest.mark.parametrize(
    "factors",
    [
        (1.0, 1.0, 1.0, 1.0),
        (0.2, 0.2, 0.2, 0.2),  # still trains
        (1e-3, 0.9, 0.9, 0.9),  # the first layer alone is in the dark
        (np.geomspace(1, 1e-4, 200),) * 4,  # the gradient has gone away later
        (float("nan"),) * 4,
    ],
)
def test_looks_alike(factors):
    assert not said(*factors)


def test_a_run_that_has_learnt():
    assert not said(1e-3, 1e-3, 1e-3, 1e-3, losses=np.linspace(2.3, 0.1, 200))
