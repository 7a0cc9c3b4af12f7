"""bn-stale-or-small-batch."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Exam, Module, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.bn_stale_or_small_batch import BnStaleOrSmallBatch
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"


def said(shape, train=1.4, evaluation=0.6, end=1.4, momentum=0.1, steps=400, extra=()):
    run = fake_run(
        {LOSS: np.linspace(2.4, end, steps).tolist()},
        [
            objective(),
            Targets(objective=SITE, classes=(50,) * 10),
            Module(name="bn", type="BatchNorm2d", output_shape=shape,
                   settings={"momentum": momentum}),
            Exam(name="modes", values={"train": train, "eval": evaluation}),
            *extra,
        ],
    )  # fmt: skip
    return list(BnStaleOrSmallBatch().detect(run))


def test_card():
    assert check_card(BnStaleOrSmallBatch()) == []


def test_batches_of_two():
    (found,) = said((2, 64))
    assert found.severity == "warning"
    assert "2 numbers a channel" in found.says
    assert found.where == "bn"


@pytest.mark.parametrize(("momentum", "steps"), [(0.99, 400), (0.001, 400), (0.1, 20)])
def test_running_statistics_of_no_use(momentum, steps):
    (found,) = said((32, 64), train=0.5, evaluation=1.5, momentum=momentum, steps=steps)
    assert f"momentum={momentum:g}" in found.says


@pytest.mark.parametrize(
    "fields",
    [
        {"shape": (2, 16, 8, 8)},  # many pixels
        {"shape": (32, 64)},
        {"shape": (2, 64), "train": 0.5, "evaluation": 0.45},  # both modes agree
        {"shape": (2, 64), "train": 0.1, "evaluation": 0.5, "end": 0.05},  # it has learnt
        {"shape": (32, 64), "train": 0.5, "evaluation": 1.5},  # ordinary momentum, settled
        {"shape": (32, 64), "train": 1.5, "evaluation": 0.5, "momentum": 0.99},  # no harm
        {"shape": (2, 64), "extra": [Module(name="d", type="Dropout", settings={"p": 0.5})]},
        {"shape": (2, 64), "evaluation": float("nan")},
    ],
)
def test_no_harm(fields):
    assert not said(**fields)
