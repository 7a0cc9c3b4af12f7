"""hidden-softmax."""

from __future__ import annotations

import numpy as np

from penlight.core.facts import Graph, Op, Targets
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls.hidden_softmax import HiddenSoftmax
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"
HIDDEN = ("NllLoss", "LogSoftmax", "fc3[64,8]", "Softmax", "fc2[64,64]", "Relu", "fc1[12,64]")


def said(graph, end=None):
    series = {}
    if end is not None:
        curve = np.linspace(np.log(8), end, 100).tolist() + [end] * 100
        series = {(LOSS, "SGD#0"): curve, (OBJECTIVE_LOSS, SITE): curve}
    targets = Targets(objective=SITE, integral=True, max=7, classes=(100,) * 8, distinct=8)
    run = fake_run(series, (graph, objective(input_shape=(32, 8)), targets))
    return list(HiddenSoftmax().detect(run))


def test_card():
    assert check_card(HiddenSoftmax()) == []


def test_severity_follows_the_damage(net):
    graph = net(*HIDDEN)
    (found,) = said(graph)
    assert found.severity == "warning"
    assert "64 units" in found.says
    assert found.where == "fc2"
    assert said(graph, end=1.6)[0].severity == "critical"
    assert said(graph, end=0.6)[0].severity == "warning"
    assert said(graph, end=0.01)[0].severity == "note"


def test_dropout_between_does_not_hide_it(net):
    assert said(net("MseLoss", "o[64,1]", "NativeDropout", "Softmax", "fc2[9,64]"))


def test_output_softmax_is_not_hidden(net):
    assert not said(net("Neg", "Mean", "Log", "Softmax", "fc2[64,8]", "Relu", "fc1[12,64]"))


def test_attention_and_gates_multiply():
    # The softmax weighs values: a product of two activations, then a Linear.
    def attention(product):
        return Graph(
            ops=(
                Op("MseLoss", (), (1,)),
                Op("Addmm", (32, 4), (2, 6)),
                Op(product, (32, 8), (3, 5)),
                Op("Softmax", (32, 8), (4,)),
                Op("Addmm", (32, 8), (7,)),
                Op("Addmm", (32, 8), (8,)),
                Op("AccumulateGrad", (4,), (), "out.bias"),
                Op("AccumulateGrad", (8,), (), "score.bias"),
                Op("AccumulateGrad", (8,), (), "value.bias"),
            )
        )

    assert not said(attention("Bmm"))
    assert not said(attention("Mul"))


def test_a_way_around_it():
    # A skip connection adds h to the branch with the softmax.
    graph = Graph(
        ops=(
            Op("MseLoss", (), (1,)),
            Op("Add", (32, 8), (2, 5)),
            Op("Addmm", (32, 8), (3, 6)),
            Op("Softmax", (32, 8), (4,)),
            Op("Addmm", (32, 8), (5, 7)),
            Op("Relu", (32, 8), (8,)),
            Op("AccumulateGrad", (8,), (), "up.bias"),
            Op("AccumulateGrad", (8,), (), "down.bias"),
            Op("Addmm", (32, 8), (9,)),
            Op("AccumulateGrad", (8,), (), "fc.bias"),
        )
    )
    assert not said(graph)


def test_truncated_graphs_say_nothing(net):
    graph = net(*HIDDEN)
    assert not said(Graph(ops=graph.ops, truncated=True))
