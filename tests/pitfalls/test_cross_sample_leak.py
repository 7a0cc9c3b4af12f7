"""cross-sample-leak."""

from __future__ import annotations

import pytest

from penlight.core.facts import Exam, Graph, Inputs, Module, Op
from penlight.pitfalls.cross_sample_leak import CrossSampleLeak
from penlight.testing import check_card, fake_run, objective


def said(*facts, others=0.2, noise=0.0, samples=32, shape=(32, 8), **fields):
    exam = Exam(
        name="coupling", values={"own": 0.5, "others": others, "noise": noise, "samples": samples}
    )
    run = fake_run(facts=[objective(**fields), Inputs(shape=shape), exam, *facts])
    return list(CrossSampleLeak().detect(run))


def test_card():
    assert check_card(CrossSampleLeak()) == []


def test_others_move():
    (found,) = said(Module(name="rnn", type="GRU", source="net.py:7"))
    assert found.severity == "critical"
    assert found.exact
    assert "batch of 32" in found.says
    assert "other 31" in found.says
    assert (found.where, found.source) == ("rnn", "net.py:7")


@pytest.mark.parametrize("others", [0.0, 1e-7])
def test_rounding_is_no_leak(others):
    assert not said(others=others)


def test_randomness_is_no_evidence():
    assert not said(others=0.2, noise=0.1)


@pytest.mark.parametrize(
    "fields",
    [
        {"input_shape": (20, 16, 4), "target_shape": (20, 16), "samples": 20},  # (time, batch, ...)
        {"input_shape": (32, 32)},  # similarities
        {"target_shape": (640,)},
        {"shape": (32, 32, 5)},  # as many steps as samples: which is which?
    ],
)
def test_where_the_first_dimension_may_not_be_the_batch(fields):
    assert not said(**fields)


def test_batch_statistics_in_evaluation_are_a_choice():
    settings = {"track_running_stats": False}
    assert not said(Module(name="norm", type="BatchNorm1d", settings=settings))


def test_graph_networks_mix_rows_on_purpose():
    loss = Op("NllLoss", (), (1,))
    mixing = Op("Mm", (32, 10), (2,))  # adjacency @ features
    layer = Op("Addmm", (32, 10), (3,))
    weight = Op("AccumulateGrad", (10, 8), (), "lin.weight")
    assert not said(Graph(ops=(loss, mixing, layer, weight)))
    assert not said(Graph(ops=(Op("NllLoss", (), (1,)), Op("ScatterAdd", (32, 10)))))
    assert said(Graph(ops=(Op("NllLoss", (), (1,)), Op("Addmm", (32, 10), (2,)), weight)))
