"""single-unit-softmax."""

from __future__ import annotations

from penlight.core.facts import Graph, Hygiene, Module, Op
from penlight.core.vocabulary import GRAD_NORM
from penlight.pitfalls.single_unit_softmax import SingleUnitSoftmax
from penlight.testing import check_card, fake_run, objective

BCE = "binary_cross_entropy"


def said(*facts):
    return list(SingleUnitSoftmax().detect(fake_run(facts=facts)))


def test_card():
    assert check_card(SingleUnitSoftmax()) == []


def test_softmax_over_one_output(net):
    graph = net("BinaryCrossEntropy", "Softmax", "out[64,1]", "Relu", "fc[20,64]")
    facts = (graph, objective(BCE, input_shape=(32, 1)), Hygiene(steps=90, zeroed_steps=90))
    (found,) = said(*facts)
    assert found.severity == "critical"
    assert found.exact
    assert "single unit" in found.says
    assert "(32, 1)" in found.evidence[0].says
    assert "90 of 90" in found.evidence[1].says


def test_cross_entropy_on_one_logit():
    (found,) = said(objective(input_shape=(32, 1)))
    assert found.where == "cross_entropy@train.py:1"


def by_own_sum(units: int, summed: tuple[int, ...]) -> Graph:
    """-(t * log(p / p.sum(1))).sum(1).mean() on a layer's sigmoid."""
    wide = (32, units)
    return Graph(
        ops=(
            Op("Mean", (), (1,)),
            Op("Sum", (32,), (2,)),
            Op("Mul", wide, (3,), blocked=1),
            Op("Log", wide, (4,)),
            Op("Div", wide, (6, 5)),
            Op("Sum", summed, (6,)),
            Op("Sigmoid", wide, (7,)),
            Op("Addmm", wide, (8, 9)),
            Op("AccumulateGrad", (units,), parameter="out.bias"),
            Op("AccumulateGrad", (units, 64), parameter="out.weight"),
        )
    )


def test_one_output_divided_by_its_own_sum():
    (found,) = said(by_own_sum(1, (32, 1)))
    assert found.exact
    assert "own sum" in found.says
    assert not said(by_own_sum(5, (32, 1)))  # shares of five classes
    assert not said(by_own_sum(1, (1, 1)))  # summed over the batch


def written_out(units: int, beside: bool = True) -> Graph:
    """logsumexp(z) - (y * z).sum(1) over so many units; or the log-sum-exp of another thing."""
    z = 4 if beside else 5
    return Graph(
        ops=(
            Op("Mean", (), (1,)),
            Op("Sub", (25,), (2, 3)),
            Op("Logsumexp", (25,), (4,)),
            Op("Sum", (25,), (6,)),
            Op("Add", (25, units), (7,)),
            Op("Add", (25, units), (7,)),
            Op("Mul", (25, units), (z,), blocked=1),
            Op("AccumulateGrad", (units,), parameter="b"),
        )
    )


def test_a_cross_entropy_written_out_over_one_unit():
    (found,) = said(written_out(1))
    assert found.exact
    assert "logsumexp" in found.says
    assert not said(written_out(2))
    assert not said(written_out(1, beside=False))  # a mixture of one part


def test_softmax_over_the_batch_is_something_else(net):
    graph = net("MseLoss", "Softmax", "out[64,1]")
    assert not said(graph, objective(BCE, input_op="Softmax", input_min=0.01))


def test_dimension_0_named_by_the_module(net):
    graph = net("MseLoss", "Softmax", "out[64,1]")
    made = type(graph)(
        ops=tuple(
            type(op)(
                op.name, op.shape, op.inputs, op.parameter, "soft" if op.name == "Softmax" else ""
            )
            for op in graph.ops
        )
    )
    assert said(made)
    assert not said(made, Module(name="soft", type="Softmax", settings={"dim": 0}))


def test_healthy(net):
    for chain in (
        ("NllLoss", "LogSoftmax", "out[64,2]"),
        ("BinaryCrossEntropy", "Sigmoid", "out[64,1]"),
        ("MseLoss", "out[64,1]", "Softmax(32,1)", "fc[20,64]"),  # attention over one key
    ):
        assert not said(net(*chain), objective(BCE, input_shape=(32, 1))), chain


def test_one_of_several_heads_is_a_note():
    heads = (
        objective(input_shape=(32, 1), site="a"),
        objective(input_shape=(32, 7), site="b"),
    )
    (found,) = said(*heads)
    assert found.severity == "note"


def flattened(steps: int) -> Graph:
    """Attention whose scores, one a row, went through a softmax, then weighed the values."""
    return Graph(
        ops=(
            Op("MseLoss", (), (1,)),
            Op("Addmm", (50, 3), (2, 3), module="out"),
            Op("AccumulateGrad", (3, 6), parameter="out.weight"),
            Op("Bmm", (50, 1, 6), (4,), blocked=1),
            Op("View", (50, 1, steps), (5,)),
            Op("Softmax", (50 * steps, 1), (6,)),
            Op("Addmm", (50 * steps, 1), (7, 8), module="attn"),
            Op("AccumulateGrad", (1,), parameter="attn.bias"),
            Op("T", (6, 1), (9,)),
            Op("AccumulateGrad", (1, 6), parameter="attn.weight"),
        )
    )


def test_attention_over_one_score():
    key = (GRAD_NORM, "attn.weight")
    loss = objective("mse_loss", input_shape=(50, 3))

    def told(gradients):
        run = fake_run({key: gradients}, [flattened(14), loss])
        return list(SingleUnitSoftmax().detect(run))

    (found,) = told([0.0] * 20)
    assert found.exact
    assert found.where == "attn"
    assert "(700, 1)" in found.evidence[0].says
    assert not told([0.0] * 19 + [1e-6])  # along the batch: other values than 1
    assert not told([0.0] * 2)
