"""loss-broadcast."""

from __future__ import annotations

import pytest

from penlight.core.facts import Graph, Op
from penlight.core.vocabulary import EXPLAINED
from penlight.pitfalls.loss_broadcast import LossBroadcast
from penlight.testing import check_card, fake_run, objective


def said(*facts, series=None):
    return list(LossBroadcast().detect(fake_run(series, facts)))


def mse(x, y, expansion):
    return objective("mse_loss", input_shape=x, target_shape=y, expansion=expansion)


def test_card():
    assert check_card(LossBroadcast()) == []


@pytest.mark.parametrize(
    ("x", "y"), [((32, 1), (32,)), ((32,), (32, 1)), ((32, 1), (1, 32)), ((32, 1, 1), (32, 1))]
)
def test_every_prediction_with_every_label(x, y):
    (found,) = said(mse(x, y, 32.0))
    assert found.exact
    assert found.severity == "critical"
    assert "all 32 labels" in found.says


@pytest.mark.parametrize(
    ("x", "y", "expansion"),
    [
        ((32, 1), (32, 1), 1.0),
        ((32, 5), (32, 1), 1.0),  # several outputs, one target
        ((8, 5, 1), (8, 1, 5), 5.0),  # quantiles against quantiles, batch by batch
        ((), (), 1.0),
    ],
)
def test_intended(x, y, expansion):
    assert not said(mse(x, y, expansion))


def test_tells_what_is_explained():
    series = {(EXPLAINED, "mse_loss@train.py:1"): [0.0, 0.004]}
    (found,) = said(mse((32, 1), (32,), 32.0), series=series)
    assert "0% of the targets' variance" in found.evidence[1].says


@pytest.mark.parametrize("error", [("Mean", "Pow"), ("Mean", "Abs"), ("Sqrt", "Mean", "Pow")])
def test_handwritten(net, error):
    (found,) = said(net(*error, "Sub(32,32)", "out[64,1]", "Relu", "fc[6,64]"))
    assert "(32, 1)" in found.says
    assert found.exact


@pytest.mark.parametrize("cut", ["Where", "Maximum", "Clamp"])
def test_an_error_that_is_cut_off(net, cut):
    assert said(net("Mean", cut, "Mul", "Sub(32,32)", "Squeeze(32)", "out[64,1]"))


def weighted(beside, shape=(32,)):
    """-min(ratio * advantages, clamped * advantages).mean(), as in PPO."""
    return Graph(
        ops=(
            Op("Mean", (), (1,)),
            Op("Minimum", (32, 32), (2, 3)),
            Op("Mul", (32, 32), (4,), beside=beside, blocked=1),
            Op("Mul", (32, 32), (5,), beside=beside, blocked=1),
            Op("Exp", shape, (6,)),
            Op("Clamp", shape, (4,)),
            Op("Addmm", (32, 4), (7,)),
            Op("AccumulateGrad", (4,), (), "out.bias"),
        )
    )


def test_every_sample_weighted_with_the_weights_of_all():
    (found,) = said(weighted((32, 1)))
    assert "weights of shape (32, 1)" in found.says
    assert found.exact
    assert said(weighted((32,), (32, 1)))
    assert not said(weighted((32, 32)))  # a mask of pairs
    assert not said(weighted((1, 32), (32, 1)))  # an outer product


@pytest.mark.parametrize(("weights", "beside"), [((8, 1), (8, 1)), ((8,), ()), ((8, 8), (8, 8))])
def test_a_product_keeps_the_shape_of_its_factor(weights, beside):
    torch = pytest.importorskip("torch")
    from penlight.probe.graph import walk

    x = torch.randn(8, requires_grad=True)
    seen = walk((x.exp() * torch.randn(weights)).mean(), lambda _: "")
    assert seen is not None
    product = next(node.op for node in seen.nodes if node.op.name == "Mul")
    assert product.beside == beside


def test_handwritten_with_weight_penalty():
    graph = Graph(
        ops=(
            Op("Add", (), (1, 5)),
            Op("Mean", (), (2,)),
            Op("Pow", (32, 32), (3,)),
            Op("Sub", (32, 32), (4,)),
            Op("Addmm", (32, 1), (7,)),
            Op("Sum", (), (6,)),
            Op("Pow", (1, 9), (8,)),
            Op("T", (9, 1), (8,)),
            Op("AccumulateGrad", (1, 9), (), "out.weight"),
        )
    )
    assert said(graph)


def test_handwritten_likelihood():
    """0.5 * logvar + 0.5 * (target - mean) ** 2 / logvar.exp(), with a target of shape (32,)."""
    graph = Graph(
        ops=(
            Op("Mean", (), (1,)),
            Op("Add", (32, 32), (2, 3)),
            Op("Mul", (32, 1), (4,)),
            Op("Div", (32, 32), (5, 6)),
            Op("Addmm", (32, 1), (9,)),
            Op("Pow", (32, 32), (7,)),
            Op("Exp", (32, 1), (4,)),
            Op("Sub", (32, 32), (8,)),
            Op("Addmm", (32, 1), (9,)),
            Op("AccumulateGrad", (1,), (), "out.bias"),
        )
    )
    (found,) = said(graph)
    assert "(32, 1)" in found.says


def test_handwritten_and_right(net):
    for chain in (
        ("Mean", "Pow", "Sub", "out[64,1]"),
        ("Mean", "Pow", "Sub(32)", "Squeeze(32)", "out[64,1]"),
        ("Mean", "Exp", "Pow", "Sub(32,32)", "out[64,1]"),  # a kernel
        ("Mean", "Mul(32,32)", "out[64,1]"),  # pairs, but no error
        ("Mean", "Abs", "Sub(32,32)", "Unsqueeze(32,1)", "Squeeze(32)", "out[64,1]"),  # energy
        ("Mean", "Pow", "Sub(32,7)", "out[64,1]"),  # quantile levels
    ):
        assert not said(net(*chain)), chain


def test_pairs_of_predictions():
    graph = Graph(
        ops=(
            Op("Mean", (), (1,)),
            Op("Pow", (32, 32), (2,)),
            Op("Sub", (32, 32), (3, 4)),
            Op("Unsqueeze", (32, 1), (5,)),
            Op("Unsqueeze", (1, 32), (5,)),
            Op("Squeeze", (32,), (6,)),
            Op("Addmm", (32, 1), (7,)),
            Op("AccumulateGrad", (1,), (), "out.bias"),
        )
    )
    assert not said(graph)
