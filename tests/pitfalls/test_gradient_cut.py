"""gradient-cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penlight.core.facts import Exam, Hygiene, Module, Parameter
from penlight.core.vocabulary import GRAD_NORM, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls.gradient_cut import GradientCut
from penlight.testing import check_card, fake_run, objective


def weight(name, tall, wide, reached):
    return Parameter(
        name=f"{name}.weight", shape=(tall, wide), reached=reached, used=True, module=name,
        module_type="Linear", root="model", std=(1 / (3 * wide)) ** 0.5,
    )  # fmt: skip


def layer(name, order, width):
    return Module(name=name, type="Linear", order=order, root="model", output_shape=(32, width))


ENCODER, MIDDLE, HEAD = (
    weight("enc", 64, 20, False),
    weight("mid", 64, 64, False),
    weight("head", 5, 64, True),
)
LINE = (layer("enc", 0, 64), layer("mid", 1, 64), layer("head", 2, 5))


def said(*facts, series=None):
    return list(GradientCut().detect(fake_run(series, facts, steps=50)))


@pytest.fixture
def cut(net):
    return net("NllLoss", "LogSoftmax", "head[64,5]")


def test_card():
    assert check_card(GradientCut()) == []


def test_everything_before_a_detach(cut):
    (found,) = said(ENCODER, MIDDLE, HEAD, *LINE, cut)
    assert found.severity == "critical"
    assert found.where == "mid"
    assert "2 weight tensors up to mid" in found.says


def test_pretrained_features_are_a_note(cut):
    trained = [replace(p, std=p.std * 1.5) for p in (ENCODER, MIDDLE)]
    assert said(*trained, HEAD, *LINE, cut)[0].severity == "note"


@pytest.mark.parametrize(
    "change", [{"requires_grad": False}, {"optimised": False}, {"used": False}, {"reached": None}]
)
def test_deliberate(cut, change):
    first = [replace(p, **change) for p in (ENCODER, MIDDLE)]
    assert not said(*first, HEAD, *LINE, cut)


def test_an_experiment_proves_it():
    exam = Exam(name="cut", values={"felt": {"mid.weight": 0.2}})
    (found,) = said(replace(ENCODER, reached=True), MIDDLE, HEAD, exam)
    assert found.exact
    assert found.where == "mid"
    assert "moved" in found.evidence[1].says
    own = replace(MIDDLE, std=0.3, module_type="ScaledConv")
    assert said(replace(ENCODER, reached=True), own, HEAD, exam)[0].severity == "warning"


def test_unused_branch_behind_reached_layers(net):
    graph = net("NllLoss", "LogSoftmax", "head[64,5]", "Relu", "enc[20,64]")
    reached = replace(ENCODER, reached=True)
    assert not said(reached, MIDDLE, HEAD, *LINE, graph)


def test_unused_branch_of_another_width(cut):
    aside = (layer("enc", 0, 64), layer("mid", 1, 7), layer("head", 2, 5))
    assert not said(ENCODER, replace(MIDDLE, shape=(7, 64)), HEAD, *aside, cut)


def test_rounding_has_no_slope(net):
    graph = net("MseLoss", "out[64,1]", "Round", "Sigmoid", "fc[20,64]")
    (found,) = said(graph)
    assert found.exact
    assert "round()" in found.says
    assert not said(net("MseLoss", "Round", "Sigmoid"))  # no layer behind it


def test_loss_without_a_graph():
    apart = [replace(p, reached=False) for p in (ENCODER, HEAD)]
    (found,) = said(*apart, Hygiene(steps=50, backwards=50, empty_steps=50))
    assert "not connected" in found.says


def test_term_without_a_gradient(net):
    site = "mse_loss@train.py:1"
    graph = net("Add", "MseLoss", "out[64,1]", "Relu", "fc[20,64]")
    aim = objective("mse_loss", input_shape=(32, 1), target_shape=(32, 1))
    series = {(LOSS, "Adam#0"): [2.0] * 9, (OBJECTIVE_LOSS, site): [1.5] * 9}
    (found,) = said(graph, aim, series=series)
    assert found.severity == "warning"
    assert "25% of the loss" in found.says
    same = {(LOSS, "Adam#0"): [1.5] * 9, (OBJECTIVE_LOSS, site): [1.5] * 9}
    assert not said(graph, aim, series=same)  # loss = 0; loss += ...
    flooded = net("Add", "Abs", "Sub", "MseLoss", "out[64,1]")
    assert not said(flooded, aim, series=series)


@pytest.mark.parametrize(("empty", "fires"), [(50, True), (49, False), (0, False)])
def test_a_loss_that_is_no_result_of_the_model(empty, fires):
    """loss.requires_grad_() on a number: there is no graph to walk, and nobody gets a gradient."""
    unknown = [replace(p, reached=None) for p in (ENCODER, HEAD)]
    found = said(*unknown, Hygiene(steps=50, empty_steps=empty))
    assert bool(found) is fires
    assert all(f.exact for f in found)


def test_one_model_feeds_another_through_detach(net):
    """encoder(x).detach() goes into head(z): two modules, one optimiser for both."""
    own = replace(weight("enc", 64, 20, False), root="encoder")
    encoder = replace(layer("enc", 0, 64), root="encoder")
    graph = net("NllLoss", "LogSoftmax", "head[64,5]")
    (found,) = said(own, HEAD, encoder, layer("head", 1, 5), graph)
    assert "up to enc" in found.says
    apart = replace(encoder, output_shape=(32, 48))  # not what the head takes in
    assert not said(own, HEAD, apart, layer("head", 1, 5), graph)
    later = replace(encoder, order=2)  # a model that runs for itself
    assert not said(own, HEAD, layer("head", 1, 5), later, graph)


ROUNDING = [3e-9, -2e-9, 5e-10, -4e-9, 0.0] * 6


@pytest.mark.parametrize(
    ("losses", "gradient", "fires"),
    [
        (ROUNDING, 8e-10, True),
        (ROUNDING[:10], 8e-10, False),  # not long enough
        (ROUNDING, 1e-3, False),  # small, and on its way
        ([abs(x) for x in ROUNDING], 8e-10, False),  # a perfect fit
        ([1e3 * x for x in ROUNDING], 8e-10, False),
    ],
)
def test_a_loss_that_depends_on_no_weight(losses, gradient, fires):
    series = {LOSS: losses, (GRAD_NORM, "fc.weight"): [gradient] * len(losses)}
    found = said(series=series)
    assert [x.severity for x in found] == ["critical"] * fires
    assert not fires or "whatever the weights are" in found[0].says
