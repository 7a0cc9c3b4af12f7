"""moe-router-collapse."""

from __future__ import annotations

import numpy as np

from penlight.core.facts import Targets
from penlight.core.vocabulary import LOSS, ROUTER_ENTROPY, ROUTER_IDLE
from penlight.pitfalls.moe_router_collapse import MoeRouterCollapse
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 10)
HIGH = np.full(500, 1.6)


def said(entropy, idle, losses=HIGH):
    steps = range(50, 50 * (len(entropy) + 1), 50)
    series = {
        LOSS: losses,
        (ROUTER_ENTROPY, "router"): dict(zip(steps, entropy, strict=True)),
        (ROUTER_IDLE, "router"): dict(zip(steps, [idle] * len(entropy), strict=True)),
    }
    return list(MoeRouterCollapse().detect(fake_run(series, [objective(), TARGETS])))


def test_card():
    assert check_card(MoeRouterCollapse()) == []


def test_all_to_two():
    (found,) = said([0.9, 0.5, 0.35, 0.33, 0.33], 0.75)
    assert found.severity == "warning"
    assert found.where == "router"
    assert "75%" in found.says


def test_a_model_that_fits_gets_a_note():
    (found,) = said([0.4] * 5, 0.5, np.geomspace(2.3, 0.01, 500))
    assert found.severity == "note"


def test_looks_alike():
    assert not said([0.97] * 5, 0.0)  # balanced
    assert not said([0.85] * 5, 0.3)  # uneven
    assert not said([0.65] * 5, 0.1)  # uneven, yet all in use
    assert not said([0.3] * 2, 0.75)  # the start
    assert not said([0.3, 0.5, 0.9, 0.95, 0.95, 0.96], 0.0)  # it has balanced itself
