"""adam-stale-second-moment."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Optimizer, Parameter
from penlight.core.vocabulary import GRAD_SURPRISE, LOSS
from penlight.pitfalls.adam_stale_second_moment import AdamStaleSecondMoment
from penlight.testing import check_card, fake_run

STEPS = 600
NOISE = np.exp(0.1 * np.random.default_rng(0).standard_normal(STEPS))


def kicked(at=300, back=STEPS):
    losses = NOISE.copy()
    losses[at : at + back] *= 3.0
    return losses


def surprised(at=297, value=9.0, looks=6, usual=1.1):
    every = dict.fromkeys(range(0, STEPS, 6), usual)
    start = next(s for s in every if s >= at)
    return every | {start + 6 * i: value / (i + 1) ** 0.5 for i in range(looks)}


def said(losses=None, surprise=None, beta2=0.999, size=64):
    weight = Parameter(name="0.weight", shape=(64, size))
    series = {
        LOSS: kicked() if losses is None else losses,
        (GRAD_SURPRISE, "0.weight"): surprise or surprised(),
    }
    facts = [Optimizer(type="Adam", lr=1e-3, betas=(0.9, beta2)), weight]
    return list(AdamStaleSecondMoment().detect(fake_run(series, facts)))


def test_card():
    assert check_card(AdamStaleSecondMoment()) == []


def test_the_loss_follows_a_surprise():
    (found,) = said()
    assert found.severity == "warning"
    assert found.first_step == 300
    assert "beta2=0.999" in found.says


@pytest.mark.parametrize(
    "surprise",
    [
        surprised(value=2.0),  # within what is usual
        surprised(looks=1),  # an outlier in the data
        surprised(value=5.0, usual=3.0),  # a noisy tensor
        surprised(at=30),  # no history
        surprised(at=100),  # long before
    ],
)
def test_looks_alike(surprise):
    assert not said(surprise=surprise)


def test_one_that_has_recovered():
    (found,) = said(losses=kicked(back=100))
    assert found.severity == "note"


def test_harmless_or_quick():
    assert not said(losses=NOISE)  # the loss does not follow
    assert not said(beta2=0.95)
    assert not said(size=4)
