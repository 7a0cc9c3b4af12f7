"""dropout-norm-misuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penlight.core.facts import Exam, Module
from penlight.pitfalls.dropout_norm_misuse import DropoutNormMisuse
from penlight.testing import check_card, fake_run, objective


def said(graph, function="mse_loss", p=0.3, *facts, **fields):
    drop = Module(name="drop", type="Dropout", settings={"p": p}, source="net.py:9")
    ops = tuple(
        replace(op, module="drop") if op.name in ("Mul", "NativeDropout") else op
        for op in graph.ops
    )
    run = fake_run(facts=[objective(function, **fields), drop, replace(graph, ops=ops), *facts])
    return list(DropoutNormMisuse().detect(run))


def test_card():
    assert check_card(DropoutNormMisuse()) == []


@pytest.mark.parametrize("op", ["Mul", "NativeDropout"])
def test_on_the_outputs_of_a_regression(net, op):
    (found,) = said(net("MseLoss", op, "fc2[64,1]", "Relu", "fc1[8,64]"))
    assert found.severity == "critical"
    assert found.exact
    assert "30% too small" in found.says
    assert found.source == "net.py:9"


def test_after_the_activation_of_an_output(net):
    chain = ("Mul", "Relu", "fc2[64,3]", "Relu", "fc1[8,64]")
    assert said(net("MseLoss", *chain), input_shape=(32, 1))
    assert said(net("NllLoss", "LogSoftmax", *chain), "cross_entropy")


def test_under_a_loss_written_by_hand(net):
    chain = ("Mul", "fc2[64,1]", "Relu", "fc1[8,64]")
    (found,) = said(net("Mean", "Pow", "Sub", *chain), by_hand=True)
    assert "comes after the last layer" in found.says
    assert not said(net("Mean", "Pow", "Sub", *chain[1:]), by_hand=True)


def test_on_the_logits(net):
    chain = ("NllLoss", "LogSoftmax", "Mul", "fc2[64,3]", "Relu", "fc1[8,64]")
    (mild,) = said(net(*chain), "cross_entropy")
    assert mild.severity == "warning"
    (hard,) = said(net(*chain), "cross_entropy", 0.5)
    assert hard.severity == "critical"
    (told,) = said(
        net(*chain), "cross_entropy", 0.5, Exam(name="modes", values={"train": 1.2, "eval": 0.4})
    )
    assert "1.2 with dropout and 0.4 without" in told.evidence[1].says


def test_before_log_softmax(net):
    chain = ("NllLoss", "LogSoftmax", "Mul", "fc2[64,3]", "Relu", "fc1[8,64]")
    assert said(net(*chain), "nll_loss")


def test_the_usual_place(net):
    assert not said(net("MseLoss", "fc2[64,1]", "Mul", "Relu", "fc1[8,64]"))


def test_a_rate_of_next_to_nothing(net):
    assert not said(net("MseLoss", "Mul", "fc2[64,1]"), p=0.0)


def test_features_behind_an_activation_are_another_matter(net):
    assert not said(net("MseLoss", "Mul", "Relu", "fc2[64,10]"))
