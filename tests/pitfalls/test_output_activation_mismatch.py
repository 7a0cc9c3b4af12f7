"""output-activation-mismatch."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Graph, Module, Op, Targets
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS, ZERO_SHARE
from penlight.pitfalls.output_activation_mismatch import OutputActivationMismatch
from penlight.testing import check_card, fake_run, objective

MSE = "mse_loss"


def said(*facts, series=None):
    return list(OutputActivationMismatch().detect(fake_run(series, facts)))


def aim(function=MSE, **fields):
    return objective(function, input_shape=(32, 1), target_shape=(32, 1), **fields)


def spread(low, high, mean, std, function=MSE):
    return Targets(
        objective=f"{function}@train.py:1", samples=900, min=low, max=high, mean=(mean,), std=(std,)
    )


def test_card():
    assert check_card(OutputActivationMismatch()) == []


@pytest.mark.parametrize("op", ["Sigmoid", "Relu", "Tanh", "Softmax"])
def test_standardised_targets(net, op):
    (found,) = said(net("MseLoss", op, "out[64,1]"), aim(), spread(-3, 3.2, 0, 1))
    assert found.severity == "critical"
    assert op.lower() in found.says
    assert "-3 to 3.2" in found.says


def test_seen_by_the_probe_alone():
    assert said(aim(input_op="Sigmoid"), spread(0, 900, 400, 200))


@pytest.mark.parametrize(
    ("op", "targets"),
    [
        ("Sigmoid", (0, 1, 0.9, 0.3)),
        ("Tanh", (-1, 1, 0.1, 0.9)),
        ("Relu", (0, 400, 3, 20)),
        ("Sigmoid", (-0.02, 1.03, 0.5, 0.2)),  # rounding
        ("Addmm", (-400, 400, 0, 100)),
    ],
)
def test_within_reach(op, targets):
    assert not said(aim(input_op=op), spread(*targets))


@pytest.mark.parametrize(
    ("shares", "lowest", "op", "told"),
    [
        ([0.6] + [0.5] * 20, 4.0, "Relu", True),
        ([0.5] * 20, 0.0, "Relu", False),  # a target may be 0
        ([0.5] * 20 + [0.0], 4.0, "Relu", False),  # not in every batch
        ([0.5] * 20, 4.0, "Addmm", False),  # the ReLU is a hidden one
        ([0.5] * 4, 4.0, "Relu", False),  # too few looks
    ],
)
def test_some_outputs_are_cut_off_where_no_target_is(shares, lowest, op, told):
    last = Module(name="a", type="Linear", output_shape=(32, 1))
    flat = [70.0] * 60
    series = {
        LOSS: flat,
        (OBJECTIVE_LOSS, f"{MSE}@train.py:1"): flat,
        (ZERO_SHARE, "a > relu"): shares,
    }
    found = said(aim(input_op=op), spread(lowest, 18, 11, 2.5), last, series=series)
    assert ["50% of the outputs stay at 0" in x.says for x in found] == [True] * told


def test_rare_outliers_are_a_note():
    assert said(aim(input_op="Sigmoid"), spread(0, 4, 0.4, 0.1))[0].severity == "note"


def test_scaled_activation(net):
    assert not said(net("MseLoss", "Mul", "Tanh", "out[64,1]"), aim(), spread(-9, 9, 0, 5))


def test_kl_div_on_probabilities():
    (found,) = said(objective("kl_div", input_min=0.0, input_max=0.99, input_op="Softmax"))
    assert "probabilities instead of their logarithms" in found.says
    (found,) = said(objective("kl_div", input_min=-3.0, input_max=4.0))
    assert "given no logarithms" in found.says
    assert not said(objective("kl_div", input_min=-9.0, input_max=-0.01))
    assert not said(objective("kl_div", input_min=-9.0, input_max=1e-6)), "rounding"
    assert not said(objective("kl_div"))


def test_nll_loss_on_raw_outputs():
    fields = {"input_shape": (32, 10), "logsumexp_error": 3.1, "input_min": -2.0}
    (found,) = said(objective("nll_loss", input_max=2.5, row_sum_error=4.0, **fields))
    assert "raw outputs" in found.says
    (found,) = said(objective("nll_loss", input_max=-1.0, row_sum_error=9.0, **fields))
    assert "do not add up" in found.says
    (found,) = said(objective("nll_loss", input_max=-1.0, input_op="LogSoftmax", **fields))
    assert "another dimension" in found.says
    fields["input_min"] = 0.0
    (found,) = said(objective("nll_loss", input_max=0.9, row_sum_error=1e-7, **fields))
    assert "probabilities instead" in found.says
    assert not said(objective("nll_loss", input_max=0.0, logsumexp_error=0.02, input_min=-9.0))
    assert not said(objective("nll_loss"))


@pytest.mark.parametrize(("end", "severity"), [(1.6, "critical"), (0.7, "warning"), (0.02, "note")])
def test_relu_on_logits(net, end, severity):
    site = "cross_entropy@train.py:1"
    curve = np.linspace(2.3, end, 100).tolist() + [end] * 100
    classes = Targets(objective=site, integral=True, max=9, classes=(50,) * 10, distinct=10)
    (found,) = said(
        net("NllLoss", "LogSoftmax", "Relu", "out[64,10]"), objective(), classes,
        series={(LOSS, "SGD#0"): curve, (OBJECTIVE_LOSS, site): curve},
    )  # fmt: skip
    assert found.severity == severity
    assert "relu" in found.says


def test_relu_on_a_binary_logit(net):
    graph = net("BinaryCrossEntropyWithLogits", "Relu", "out[64,1]")
    (found,) = said(graph, aim("binary_cross_entropy_with_logits"))
    assert found.severity == "critical"
    assert "never below 0.5" in found.says


@pytest.mark.parametrize(
    "chain",
    [
        ("Mean", "SumBackward1", "Mul", "Log", "Clamp", "out[64,10]"),
        ("Neg", "Mean", "Log", "Gather", "out[64,10]"),
        ("Neg", "Mean", "Log", "Index", "Clamp", "Relu", "out[64,10]"),
    ],
)
def test_log_of_raw_outputs(net, chain):
    (found,) = said(net(*chain))
    assert "logarithm" in found.says
    assert found.where == "out"


@pytest.mark.parametrize(
    "chain",
    [
        ("Neg", "Mean", "Log", "Clamp", "Softmax", "out[64,10]"),
        ("Neg", "Mean", "Log", "Sigmoid", "out[64,1]"),
        ("Mean", "Pow", "Sub", "Log", "Add", "Relu", "out[64,1]"),  # squared log error
        ("Mean", "Log", "Softplus", "out[64,1]"),
        ("Mean", "Log1P", "out[64,1]"),
    ],
)
def test_healthy_logs(net, chain):
    assert not said(net(*chain))


def test_a_variance_is_no_probability():
    graph = Graph(
        ops=(
            Op("Mean", (), (1,)),
            Op("Add", (32, 1), (2, 3)),
            Op("Log", (32, 1), (4,)),
            Op("Div", (32, 1), (4,)),
            Op("Clamp", (32, 1), (5,)),
            Op("Addmm", (32, 1), (6,)),
            Op("AccumulateGrad", (1,), (), "var.bias"),
        )
    )
    assert not said(graph)


def test_a_relu_that_is_off_for_every_sample():
    off = {"input_op": "Relu", "input_min": 0.0, "input_max": 0.0}
    (found,) = said(aim(**off), spread(5, 50, 22, 9))
    assert found.exact
    assert "0 for every sample" in found.says
    assert not said(aim(**off | {"looked": 3}), spread(5, 50, 22, 9))
    assert not said(aim(**off | {"input_max": 0.2}), spread(5, 50, 22, 9))
    assert not said(aim(**off), spread(0, 0, 0, 0))
    (found,) = said(aim(**off), spread(-50, -5, -22, 9))
    assert "cannot be reached" in found.says
