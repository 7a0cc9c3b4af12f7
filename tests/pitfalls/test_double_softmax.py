"""double-softmax."""

from __future__ import annotations

from penlight.core.facts import Targets
from penlight.pitfalls.double_softmax import DoubleSoftmax
from penlight.testing import check_card, fake_run, objective


def said(*facts):
    return list(DoubleSoftmax().detect(fake_run(facts=facts)))


def test_card():
    assert check_card(DoubleSoftmax()) == []


def test_softmax_in_front_of_cross_entropy(net):
    graph = net("NllLoss", "LogSoftmax", "Softmax", "out[64,10]", "Relu", "fc[20,64]")
    (found,) = said(graph, objective(first_loss=2.3))
    assert found.severity == "critical"
    assert found.exact
    assert "cannot fall below 1.46" in found.says
    assert found.where == "cross_entropy@train.py:1"


def test_seen_through_reshaping_and_casts(net):
    graph = net("NllLoss2D", "LogSoftmax", "View", "ToCopy", "Softmax", "out[64,10]")
    assert said(graph, objective())


def test_sigmoid_twice(net):
    graph = net("BinaryCrossEntropyWithLogits", "Squeeze", "Sigmoid", "out[64,1]")
    (found,) = said(graph, objective("binary_cross_entropy_with_logits", input_shape=(32,)))
    assert "already applies sigmoid" in found.says


def test_probabilities_seen_by_their_values():
    assert said(objective(row_sum_error=2e-7, input_min=0.01))
    assert not said(objective(row_sum_error=2e-7, input_min=-0.3))
    assert not said(objective(row_sum_error=0.4, input_min=0.0))
    assert not said(objective(row_sum_error=2e-7, input_min=0.01, input_shape=(2, 10)))
    assert not said(objective("nll_loss", row_sum_error=2e-7, input_min=0.01))


def test_healthy_heads(net):
    for chain in (
        ("NllLoss", "LogSoftmax", "out[64,10]"),
        ("NllLoss", "LogSoftmax", "LogSoftmax", "out[64,10]"),  # harmless: already normalised
        ("BinaryCrossEntropy", "Sigmoid", "out[64,1]"),
        ("Neg", "Mean", "Log", "Softmax", "out[64,10]"),
        ("NllLoss", "LogSoftmax", "out[64,10]", "Softmax", "fc[20,64]"),  # hidden, not doubled
        ("NllLoss", "LogSoftmax", "Div", "Softmax", "out[64,10]"),  # rescaled in between
    ):
        assert not said(net(*chain), objective(row_sum_error=1.0, input_min=-1.0)), chain


def test_one_unit_is_for_another_pitfall(net):
    assert not said(net("NllLoss", "LogSoftmax", "Sigmoid", "out[64,1]"))


def test_nothing_known():
    assert not said()
    assert not said(Targets())
