"""fp16-underflow."""

from __future__ import annotations

import math

from penlight.core.facts import Parameter, Targets
from penlight.core.vocabulary import FLOOR_SHARE, OBJECTIVE_LOSS
from penlight.pitfalls.fp16_underflow import Fp16Underflow
from penlight.testing import check_card, fake_run, objective

STUCK = [2.3 - 0.01 * min(i, 50) for i in range(100)]
LEARNS = [2.3 * 0.9**i for i in range(100)]


def said(first=0.8, second=0.8, looks=20, curve=STUCK):
    aim = objective()
    facts = [
        aim,
        Targets(objective=aim.site, entropy=2.3, samples=1000, classes=(100,) * 10),
        Parameter(name="a.weight", shape=(64, 64)),
        Parameter(name="b.weight", shape=(8, 64)),
    ]
    series = {
        (OBJECTIVE_LOSS, aim.site): curve,
        (FLOOR_SHARE, "a.weight"): [first] * looks,
        (FLOOR_SHARE, "b.weight"): [second] * looks,
    }
    return list(Fp16Underflow().detect(fake_run(series, facts)))


def test_card():
    assert check_card(Fp16Underflow()) == []


def test_gradients_at_the_floor():
    (found,) = said()
    assert "100% of the weights" in found.says
    assert found.where == "a.weight"


def test_silent():
    assert not said(first=0.001, second=0.001)
    assert not said(first=0.001), "a small layer alone"
    assert not said(first=math.nan, second=math.nan), "computed in float32, or unscaled"
    assert not said(looks=3)
    assert not said(curve=LEARNS)
