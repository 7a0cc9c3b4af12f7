"""loss-spike."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Optimizer, Targets
from penlight.core.vocabulary import LOSS, LR
from penlight.pitfalls._spikes import spikes
from penlight.pitfalls.loss_spike import LossSpike
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 10)
CHANCE = np.random.default_rng(0)
NOISE = np.exp(0.1 * CHANCE.standard_normal(600))
EVEN = np.full(600, 1.0) * NOISE


def said(losses, rates=None, optimizers=1):
    facts = [objective(), TARGETS]
    facts += [Optimizer(index=i, type="SGD", lr=0.1) for i in range(optimizers)]
    run = fake_run({LOSS: losses, LR: rates or {0: 0.1}}, facts)
    return list(LossSpike().detect(run))


def kicked(at=300, height=3.0, back=100):
    losses = EVEN.copy()
    losses[at : at + back] *= np.linspace(height, 1.0, back)
    return losses


def test_card():
    assert check_card(LossSpike()) == []


def test_a_jump_that_lasts():
    (found,) = said(kicked())
    assert found.severity == "warning"
    assert abs(found.first_step - 300) < 3
    (found,) = said(kicked(back=300, height=4.0))
    assert "46% of the run" in found.says


@pytest.mark.parametrize(
    "losses",
    [
        EVEN,
        np.geomspace(2.3, 0.5, 600) * NOISE,
        kicked(back=1),  # one hard batch
        kicked(back=25, height=2.0),  # soon made good
        kicked(height=1.3),
        np.where(np.arange(600) < 300, 1.0, 1.7) * NOISE,  # for good: what is asked has changed
        np.where(np.arange(600) % 50 == 0, 5.0, 1.0) * NOISE,  # an outlier, now and then
    ],
)
def test_looks_alike(losses):
    assert not said(losses)


def test_expected_jumps():
    assert not said(kicked(), {0: 0.01, 295: 0.1})  # a warm restart
    assert not said(kicked() * np.geomspace(1, 0.01, 600))  # it has learnt all the same
    assert not said(kicked(), optimizers=2)  # a game of two


def test_spikes():
    run = fake_run({LOSS: kicked()})
    (found,) = spikes(run.series(LOSS))
    assert found.before == pytest.approx(1.0, rel=0.1)
    assert 2.0 < found.height < 4.5
    assert 20 < found.recovered < 100
    assert not spikes(fake_run({LOSS: -EVEN}).series(LOSS))
