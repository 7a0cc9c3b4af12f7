"""bn-stale-or-small-batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penlight.core.facts import Exam, Hygiene, Module, Targets
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


class TestStatisticsThatNothingMoves:
    """A batch norm of the user's own, whose running averages nobody updates."""

    NORM = Module(name="bn", type="BatchNorm", settings={"training": True})
    SEEN = Hygiene(steps=200, fresh_norms=("bn",), eval_eval_mode=3, train_forwards=200)

    def said(self, seen=SEEN, norm=NORM):
        return list(BnStaleOrSmallBatch().detect(fake_run({LOSS: [1.0] * 200}, [seen, norm])))

    def test_told(self):
        (found,) = self.said()
        assert found.exact
        assert found.says.startswith("The running statistics of bn are still 0 and 1 after 200")

    def test_not_judged_in_evaluation_mode(self):
        assert not self.said(seen=replace(self.SEEN, eval_eval_mode=0))

    def test_frozen_or_trained_in_evaluation_mode(self):
        assert not self.said(norm=replace(self.NORM, settings={"training": False}))
        assert not self.said(seen=replace(self.SEEN, train_eval_mode=200))

    def test_a_norm_that_no_pass_went_through(self):
        assert not self.said(norm=replace(self.NORM, name="other"))

    @pytest.mark.parametrize("moves", [True, False])
    def test_in_a_training(self, watched, moves):
        torch = pytest.importorskip("torch")
        nn = torch.nn

        class BatchNorm(nn.Module):
            def __init__(self):
                super().__init__()
                self.gamma = nn.Parameter(torch.ones(8))
                self.register_buffer("moving_mean", torch.zeros(8))
                self.register_buffer("moving_variance", torch.ones(8))

            def forward(self, x):
                mean, var = self.moving_mean, self.moving_variance
                if self.training:
                    mean, var = x.mean(0), x.var(0)
                    if moves:
                        self.moving_mean.lerp_(mean.detach(), 0.1)
                        self.moving_variance.lerp_(var.detach(), 0.1)
                return self.gamma * (x - mean) / (var + 1e-3).sqrt()

        model = nn.Sequential(nn.Linear(4, 8), BatchNorm(), nn.ReLU(), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with watched() as sink:
            for _ in range(60):
                optimizer.zero_grad()
                x = torch.randn(16, 4)
                nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                model(torch.randn(64, 4))
        found = list(BnStaleOrSmallBatch().detect(sink.run()))
        assert [x.where for x in found if x.exact] == ([] if moves else ["Sequential.1"])
