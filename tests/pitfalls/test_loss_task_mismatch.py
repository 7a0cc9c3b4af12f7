"""loss-task-mismatch."""

from __future__ import annotations

import pytest

from penlight.core.facts import Inputs, Optimizer, Targets
from penlight.core.vocabulary import EXPLAINED, LOSS
from penlight.pitfalls.loss_task_mismatch import LossTaskMismatch
from penlight.testing import check_card, fake_run, objective

BCE, MSE = "binary_cross_entropy_with_logits", "mse_loss"


def said(function, *facts, fit=None, op="", **targets):
    site = f"{function}@train.py:1"
    curves = {(EXPLAINED, site): [fit] * 20, (LOSS, "SGD#0"): [0.2] * 20}
    series = {} if fit is None else curves
    seen = Targets(objective=site, samples=500, **targets)
    aim = objective(function, input_op=op)
    return list(LossTaskMismatch().detect(fake_run(series, [aim, seen, *facts])))


BINARY = {"integral": True, "min": 0, "max": 1, "distinct": 2, "mean": (0.4,), "std": (0.5,)}
ONEHOT = {**BINARY, "mean": (0.25,) * 4, "std": (0.4,) * 4}


def test_card():
    assert check_card(LossTaskMismatch()) == []


def test_binary_cross_entropy_on_prices():
    (found,) = said(BCE, min=-2.1, max=3.0, mean=(0.1,), std=(1.0,))
    assert found.severity == "critical"
    assert "-2.1 to 3" in found.says
    assert "MSELoss" in found.prescriptions[0].do


def test_counts_as_probabilities():
    assert said(BCE, integral=True, min=0, max=900, distinct=400, mean=(99.0,))
    assert said(BCE, integral=True, min=0, max=7, distinct=8, mean=(2.0, 2.0))
    assert said("poisson_nll_loss", min=-3.0, max=9.0)


@pytest.mark.parametrize(
    "targets",
    [
        {"min": 0.0, "max": 1.0},  # autoencoder on pixels
        {"min": 0.0, "max": 1.2},  # noisy labels of a GAN
        {"integral": True, "min": 0, "max": 4, "distinct": 5, "mean": (2.0,)},  # classes
        {"integral": True, "min": 1, "max": 2, "distinct": 2, "mean": (1.5,)},  # coding
    ],
)
def test_other_targets_of_a_binary_loss(targets):
    assert not said(BCE, **targets)


def test_one_hot_floats_for_cross_entropy():
    assert not said("cross_entropy", integral=True, min=0, max=9, distinct=10, mean=(4.5,))


@pytest.mark.parametrize(("fit", "severity"), [(0.1, "warning"), (0.95, "note"), (None, "note")])
def test_squared_error_behind_a_softmax(fit, severity):
    (found,) = said(MSE, fit=fit, op="Softmax", **ONEHOT)
    assert found.severity == severity
    assert "4 classes" in found.says


def test_squared_error_behind_a_sigmoid():
    assert said(MSE, fit=0.2, op="Sigmoid", **BINARY)[0].severity == "warning"
    assert said(MSE, fit=0.6, op="Sigmoid", **BINARY)[0].severity == "note"


def test_healthy_squared_errors():
    assert not said(MSE, fit=0.2, op="Addmm", **BINARY)  # least squares
    assert not said(MSE, fit=0.2, op="Sigmoid", **{**ONEHOT, "mean": (0.3,) * 64})  # pixels
    assert not said(MSE, fit=0.2, op="Sigmoid", **{**BINARY, "distinct": 90, "integral": False})
    pair = (Optimizer(index=0, type="Adam"), Optimizer(index=1, type="Adam"))
    assert not said(MSE, *pair, fit=0.2, op="Sigmoid", **BINARY)  # least-squares GAN
    assert not said(MSE, integral=True, min=0, max=90, distinct=80, mean=(40.0,))  # ages


def test_nothing_known():
    assert not list(LossTaskMismatch().detect(fake_run(facts=[objective(MSE)])))


class TestTags:
    """Rows with several labels under a softmax."""

    def findings(self, watched, targets, inputs=6):
        torch = pytest.importorskip("torch")
        with watched() as sink:
            x = torch.randn(120, inputs)
            y = targets(torch, x)
            net = torch.nn.Linear(inputs, y.shape[1])
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for rows in torch.arange(120).split(30) * 3:
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
                optimizer.step()
        return list(LossTaskMismatch().detect(sink.run()))

    def test_several(self, watched):
        (found,) = self.findings(watched, lambda torch, x: (x[:, :5] > 0).float())
        assert "name several" in found.says
        assert "BCEWithLogitsLoss" in found.prescriptions[0].do

    def test_one_in_each_row(self, watched):
        def onehot(torch, x):
            return torch.nn.functional.one_hot(x[:, :5].argmax(1), 5).float()

        def mixed(torch, x):
            y = onehot(torch, x)
            return 0.7 * y + 0.3 * y.flip(0)

        def masked(torch, x):
            return onehot(torch, x) * (x[:, :1] > 0)  # rows without a label do not count

        assert not self.findings(watched, onehot)
        assert not self.findings(watched, masked)
        assert not self.findings(watched, mixed)

    def test_masks_of_pairs_and_counts_that_are_the_input(self):
        def said(shape, given):
            site = "cross_entropy@train.py:1"
            aim = objective("cross_entropy", target_shape=shape, multi_hot=0.9)
            facts = [aim, Targets(objective=site, samples=500), Inputs(shape=given)]
            return list(LossTaskMismatch().detect(fake_run(facts=facts)))

        assert said((32, 8), (32, 20))
        assert not said((32, 32), (32, 20))
        assert not said((32, 8), (32, 8))
