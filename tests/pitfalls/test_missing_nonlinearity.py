"""missing-nonlinearity."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Graph, Inputs, Module, Op, Optimizer, Targets
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls.missing_nonlinearity import MissingNonlinearity
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"
STACK = ("NllLoss", "LogSoftmax", "fc3[64,4]", "fc2[64,64]", "fc1[20,64]")
FED = Inputs(shape=(32, 20), features=20)


def said(graph, *facts, end=None):
    series = {}
    if end is not None:
        curve = np.linspace(np.log(4), end, 100).tolist() + [end] * 100
        series = {(LOSS, "SGD#0"): curve, (OBJECTIVE_LOSS, SITE): curve}
    targets = Targets(objective=SITE, integral=True, max=3, classes=(50,) * 4, distinct=4)
    aim = objective(input_shape=(32, 4))
    return list(MissingNonlinearity().detect(fake_run(series, (graph, aim, targets, FED, *facts))))


def test_card():
    assert check_card(MissingNonlinearity()) == []


def test_severity_follows_the_damage(net):
    graph = net(*STACK)
    (found,) = said(graph)
    assert found.severity == "warning"
    assert found.exact
    assert "fc1, fc2, fc3" in found.says
    assert said(graph, end=1.2)[0].severity == "critical"
    assert said(graph, end=0.02)[0].severity == "note"


def test_linear_things_between(net):
    assert said(net("MseLoss", "b[64,1]", "NativeBatchNorm", "View", "a[20,64]"))
    dropout = Module(name="d", type="Dropout")
    assert said(net("MseLoss", "b[64,1]", "Mul", "a[20,64]"), dropout)
    assert not said(net("MseLoss", "b[64,1]", "Mul", "a[20,64]"))  # could be a gate


def test_max_pooling_alone_is_no_activation(net):
    assert said(net("MseLoss", "c[64,1]", "b[64,64]", "MaxPool2DWithIndices", "a[20,64]"))
    assert not said(net("MseLoss", "b[64,1]", "MaxPool2DWithIndices", "a[20,64]"))


@pytest.mark.parametrize(
    "chain",
    [
        ("NllLoss", "LogSoftmax", "fc[20,4]"),  # logistic regression
        ("NllLoss", "LogSoftmax", "fc2[64,4]", "Relu", "fc1[20,64]"),
        ("NllLoss", "LogSoftmax", "fc3[64,4]", "fc2[64,64]", "Gelu", "fc1[20,64]"),
        ("NllLoss", "LogSoftmax", "fc2[64,4]", "SomeCustomFunction", "fc1[20,64]"),
        ("NllLoss", "LogSoftmax", "fc2[64,4]", "NativeLayerNorm", "fc1[20,64]"),
        ("NllLoss", "LogSoftmax", "fc2[2,4]", "fc1[20,2]"),  # low rank on purpose
        ("NllLoss", "LogSoftmax", "fc[64,4]", "MkldnnRnnLayer"),
        ("NllLoss", "LogSoftmax", "fc[64,4]", "Mean", "Embedding(32,64)"),
    ],
)
def test_healthy(net, chain):
    assert not said(net(*chain))


def test_deliberate(net):
    graph = net(*STACK)
    assert not said(graph, Inputs(root="text", embedded=True))
    assert not said(graph, Optimizer(index=0), Optimizer(index=1))
    auto = objective("mse_loss", site="m", input_shape=(32, 20), target_shape=(32, 20), calls=999)
    assert not said(net("MseLoss", "dec[64,20]", "enc[20,64]"), auto)


def test_attention_is_a_product():
    graph = Graph(
        ops=(
            Op("MseLoss", (), (1,)),
            Op("Addmm", (32, 4), (2, 5)),
            Op("Bmm", (32, 8), (3, 4)),
            Op("Addmm", (32, 8), (6,)),
            Op("Addmm", (32, 8), (7,)),
            Op("AccumulateGrad", (4,), (), "out.bias"),
            Op("AccumulateGrad", (8,), (), "q.bias"),
            Op("AccumulateGrad", (8,), (), "v.bias"),
        )
    )
    assert not said(graph)


def test_truncated(net):
    assert not said(Graph(ops=net(*STACK).ops, truncated=True))


def test_one_number_to_one_number_is_no_reconstruction(net):
    graph = net("MseLoss", "b[64,1]", "a[1,64]")

    def found(width):
        facts = (objective("mse_loss", input_shape=(32, width), target_shape=(32, width)),
                 Inputs(shape=(32, width), features=width), graph)  # fmt: skip
        return list(MissingNonlinearity().detect(fake_run({}, facts)))

    assert found(1)
    assert not found(20)


def test_one_layer_whose_answers_to_two_batches_are_compared(watched):
    """A restricted Boltzmann machine's free energies: the layers lie side by side."""
    torch = pytest.importorskip("torch")
    w, b = (0.1 * torch.randn(8, 6)).requires_grad_(), torch.zeros(6, requires_grad=True)
    optimizer = torch.optim.SGD([w, b], lr=0.1)

    def energy(v):
        return -torch.nn.functional.softplus(v @ w + b).sum(1)

    with watched() as sink:
        for _ in range(30):
            optimizer.zero_grad()
            loss = energy(torch.rand(16, 8)).mean() - energy(torch.rand(16, 8) + 0.2).mean()
            loss.backward()
            optimizer.step()
    assert not list(MissingNonlinearity().detect(sink.run()))
