"""attention-entropy-collapse."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Targets
from penlight.core.vocabulary import ATTENTION_ENTROPY, ATTENTION_LOGIT, LOSS
from penlight.pitfalls.attention_entropy_collapse import AttentionEntropyCollapse
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 10)
STUCK = np.full(100, 2.3)


def said(*entropies, logit=120.0, losses=STUCK):
    series = {LOSS: losses}
    for i, entropy in enumerate(entropies):
        series[ATTENTION_ENTROPY, f"blocks.{i}"] = np.broadcast_to(entropy, 100)
        series[ATTENTION_LOGIT, f"blocks.{i}"] = np.full(100, logit)
    return list(AttentionEntropyCollapse().detect(fake_run(series, [objective(), TARGETS])))


def test_card():
    assert check_card(AttentionEntropyCollapse()) == []


def test_one_hot_from_the_start():
    (found,) = said(0.04, 0.03)
    assert found.severity == "critical"
    assert found.where == "blocks.1"
    assert "from the first step" in found.says


def test_one_that_narrows():
    (found,) = said(np.linspace(0.9, 0.01, 100))
    assert "where it began at 0.8" in found.says
    (found,) = said(0.04, losses=np.linspace(2.3, 1.5, 100))
    assert found.severity == "warning"


@pytest.mark.parametrize("entropies", [(0.95, 0.9), (0.03, 0.9, 0.8), (0.3, 0.3)])
def test_wide_attention(entropies):
    assert not said(*entropies)


def test_looks_alike():
    assert not said(0.03, 0.03, losses=np.geomspace(2.3, 0.05, 100))  # sharp, and it works
    assert not said(0.03, 0.03, logit=4.0)  # few keys, small logits
    assert not said()
