"""optimizer-coupled-weight-decay."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Optimizer, Parameter, Targets
from penlight.core.vocabulary import GRAD_NORM, LOSS, WEIGHT_NORM
from penlight.pitfalls.optimizer_coupled_weight_decay import OptimizerCoupledWeightDecay
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 10)
WEIGHTS = [Parameter(name=f"{i}.weight", shape=(64, 64), std=0.1) for i in range(3)]
STUCK = np.full(200, 2.3)


def said(kind="Adam", decay=0.1, losses=STUCK, shrink=0.01, gradient=None, **more):
    weight = np.geomspace(6.0, 6.0 * shrink, 200)
    gradient = decay * weight if gradient is None else np.full(200, gradient)
    series = {LOSS: losses}
    for p in WEIGHTS:
        series[WEIGHT_NORM, p.name] = weight
        series[GRAD_NORM, p.name] = gradient
    optimizer = Optimizer(type=kind, lr=1e-3, weight_decay=decay, **more)
    run = fake_run(series, [optimizer, objective(), TARGETS, *WEIGHTS])
    return list(OptimizerCoupledWeightDecay().detect(run))


def test_card():
    assert check_card(OptimizerCoupledWeightDecay()) == []


@pytest.mark.parametrize("kind", ["Adam", "NAdam", "RMSprop"])
def test_decay_that_is_divided(kind):
    (found,) = said(kind)
    assert found.severity == "critical"
    assert "weight_decay=0.1" in found.says


def test_one_that_hurts():
    (found,) = said(losses=np.linspace(2.3, 0.9, 200))
    assert found.severity == "warning"


@pytest.mark.parametrize("kind", ["AdamW", "SGD"])
def test_decay_that_is_not_divided(kind):
    assert not said(kind)
    assert not said("RAdam", decoupled=True)


def test_looks_alike():
    assert not said(decay=0.5)  # too strong in any optimiser
    assert not said(decay=0.0)
    assert not said(gradient=5.0)  # decay is small beside the gradient
    assert not said(shrink=0.9)  # the weights are what they were
    assert not said(losses=np.linspace(2.3, 0.1, 200))  # it has learnt
