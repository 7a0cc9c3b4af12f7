"""Walking autograd graphs."""

from __future__ import annotations

from penlight.core.facts import Graph, Op
from penlight.pitfalls._graph import Wiring, output_op, wirings
from penlight.testing import fake_run, objective


def test_head_and_layers(net):
    wiring = Wiring(net("NllLoss", "LogSoftmax", "fc2[64,3]", "Relu", "fc1[20,64]"))
    assert [wiring.place(i) for i in wiring.layers] == ["fc2", "fc1"]
    assert sorted(wiring.names[i] for i in wiring.head) == ["LogSoftmax", "NllLoss"]
    assert wiring.data(wiring.layers[1]) == ()
    assert wiring.parameters() == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}


def test_weights_shared_by_two_calls_are_weights():
    # Two matrix products with one cast weight: neither takes it for data.
    wiring = Wiring(
        Graph(
            ops=(
                Op("Add", (2, 3), (1, 2)),
                Op("Mm", (2, 3), (3,)),
                Op("Mm", (2, 3), (4,)),
                Op("T", (4, 3), (5,)),
                Op("T", (4, 3), (5,)),
                Op("ToCopy", (3, 4), (6,)),
                Op("AccumulateGrad", (3, 4), (), "fc.weight"),
            )
        )
    )
    assert wiring.layers == (1, 2)
    assert wiring.data(1) == ()
    assert wiring.weight(2) == "fc.weight"


def test_product_of_activations_is_no_layer():
    wiring = Wiring(
        Graph(
            ops=(
                Op("Sum", (), (1,)),
                Op("Bmm", (2, 3), (2, 3)),
                Op("Relu", (2, 3), (4,)),
                Op("Tanh", (2, 3), (4,)),
                Op("Addmm", (2, 3), (5,)),
                Op("AccumulateGrad", (3,), (), "fc.bias"),
            )
        )
    )
    assert wiring.layers == (4,)
    assert not wiring.is_bottleneck(2)
    assert wiring.is_bottleneck(1)


def test_below_sees_through_shapes_and_hand_added_biases():
    wiring = Wiring(
        Graph(
            ops=(
                Op("MseLoss", (), (1,)),
                Op("SqueezeBackward1", (5,), (2,)),
                Op("Add", (5, 1), (3, 4)),
                Op("Mm", (5, 1), (5,)),
                Op("AccumulateGrad", (1,), (), "b"),
                Op("Relu", (5, 8), ()),
            )
        )
    )
    assert wiring.below(0) == 3
    assert wiring.below(3) == 5
    assert wiring.below(5) is None


def test_what_made_an_objectives_input(net):
    run = fake_run(facts=[net("NllLoss", "LogSoftmax", "View", "Relu", "fc[9,3]")])
    assert output_op(run, objective()) == "Relu"
    assert output_op(run, objective("mse_loss")) == ""
    assert output_op(run, objective("mse_loss", input_op="SigmoidBackward0")) == "Sigmoid"


def test_large_and_empty_graphs_are_left_out(net):
    cut = Graph(ops=net("MseLoss", "fc[9,3]").ops, truncated=True)
    assert not list(wirings(fake_run(facts=[cut, Graph()])))
