"""low-precision-lost-update."""

from __future__ import annotations

from penlight.core.facts import Parameter, Targets
from penlight.core.vocabulary import LOST_SHARE, OBJECTIVE_LOSS
from penlight.pitfalls.low_precision_lost_update import LowPrecisionLostUpdate
from penlight.testing import check_card, fake_run, objective

STUCK = [2.3 - 0.01 * min(i, 50) for i in range(100)]
LEARNS = [2.3 * 0.9**i for i in range(100)]


def said(wide=0.7, narrow=0.0, looks=20, curve=STUCK):
    aim = objective()
    facts = [
        aim,
        Targets(objective=aim.site, entropy=2.3, samples=1000, classes=(100,) * 10),
        Parameter(name="fc.weight", shape=(64, 64), dtype="bfloat16"),
        Parameter(name="fc.bias", shape=(64,), dtype="bfloat16"),
    ]
    series = {
        (OBJECTIVE_LOSS, aim.site): curve,
        (LOST_SHARE, "fc.weight"): [wide] * looks,
        (LOST_SHARE, "fc.bias"): [narrow] * looks,
    }
    return list(LowPrecisionLostUpdate().detect(fake_run(series, facts)))


def test_card():
    assert check_card(LowPrecisionLostUpdate()) == []


def test_lost():
    (found,) = said()
    assert "69% of the updates" in found.says
    assert "bfloat16, which keeps 8 significant bits" in found.says
    assert found.where == "fc.weight"


def test_silent():
    assert not said(wide=0.1)
    assert not said(wide=0.1, narrow=1.0), "a bias is a small part of the weights"
    assert not said(looks=4)
    assert not said(curve=LEARNS), "it learns all the same"
