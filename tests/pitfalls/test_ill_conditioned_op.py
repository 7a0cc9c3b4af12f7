"""ill-conditioned-op."""

from __future__ import annotations

import pytest

from penlight.core.facts import Graph, NonFinite, Op
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.ill_conditioned_op import IllConditionedOp
from penlight.testing import check_card, fake_run

LOSSES = [0.6, 0.3, 0.2, 0.1, 0.05]
BORN = NonFinite(step=4, op="Log", reason="log of zero")


def chain(*names):
    ops = [Op(n, (32, 4), (i + 1,) if i + 1 < len(names) else ()) for i, n in enumerate(names)]
    return Graph(ops=tuple(ops))


def said(graph, *facts, losses=LOSSES):
    return list(IllConditionedOp().detect(fake_run({LOSS: losses}, (graph, *facts))))


def test_card():
    assert check_card(IllConditionedOp()) == []


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("Neg", "Mean", "Log", "Softmax", "Addmm"), "log(softmax(x))"),
        (("Mean", "Log", "View", "Clamp", "Softmax", "Addmm"), "log(softmax(x))"),
        (("Mean", "Log", "Sigmoid", "Addmm"), "log(sigmoid(x))"),
        (("Mean", "Log", "Rsub", "Sigmoid", "Addmm"), "log(1 - sigmoid(x))"),
        (("Mean", "Log", "Sum", "Exp", "Addmm"), "log(sum(exp(x)))"),
        (("Mean", "Log", "Add", "Exp", "Addmm"), "log(1 + exp(x))"),
    ],
)
def test_formulas(names, text):
    (found,) = said(chain(*names), BORN)
    assert found.severity == "critical"
    assert found.says.startswith(text)
    (found,) = said(chain(*names))
    assert found.severity == "note"


@pytest.mark.parametrize(
    "names",
    [
        ("NllLoss", "LogSoftmax", "Addmm"),
        ("Mean", "Log", "Addmm"),
        ("Mean", "Log", "Sum", "Exp", "Sub", "Addmm"),  # the maximum was subtracted
        ("Mean", "Softmax", "Addmm"),
    ],
)
def test_stable(names):
    assert not said(chain(*names), BORN)


def test_softmax_by_hand():
    ops = (
        Op("Div", (32, 4), (1, 2)),
        Op("Exp", (32, 4), (3,)),
        Op("Sum", (32, 1), (1,)),
        Op("Addmm", (32, 4)),
    )
    (found,) = said(Graph(ops=ops), NonFinite(step=4, op="Exp"))
    assert found.says.startswith("exp(x) / sum(exp(x))")


def test_variance_by_hand():
    def graph(subtrahend):
        ops = (
            Op("Sqrt", (32, 1), (1,)),
            Op("Sub", (32, 1), (2, 3)),
            Op("Mean", (32, 1), (4,)),
            Op("Pow", (32, 1), (5,)),
            Op("Pow", (32, 8), (6,)),
            Op("Mean", (32, 1), (subtrahend,)),
            Op("Addmm", (32, 8), (7,)),
            Op("Relu", (32, 8)),
        )
        return Graph(ops=ops)

    (found,) = said(graph(6), NonFinite(step=4, op="Sqrt"))
    assert found.says.startswith("mean(x^2) - mean(x)^2")
    assert not said(graph(7), NonFinite(step=4, op="Sqrt")), "of two different tensors"


def test_the_formula_is_not_to_blame():
    graph = chain("Mean", "Log", "Sigmoid", "Addmm")
    (found,) = said(graph, NonFinite(step=4, op="Sqrt"))
    assert found.severity == "note", "it was born elsewhere"
    (found,) = said(graph, NonFinite(step=4, op="Log", direction="update"))
    assert found.severity == "note"
    (found,) = said(graph, BORN, losses=[0.6, 3.0, 60.0, 4e3, 1e6])
    assert found.severity == "note", "the loss had run away before"
