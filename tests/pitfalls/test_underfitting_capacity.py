"""underfitting-capacity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penlight.core.facts import Exam, Module, Parameter, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.underfitting_capacity import UnderfittingCapacity
from penlight.testing import check_card, fake_run, objective


def said(net, width=2, end=1.6, classes=12, bottleneck=True, **rates):
    layers = (f"fc3[{width},{classes}]", "Relu", f"fc2[64,{width}]", "Relu", "fc1[20,64]")
    graph = net("NllLoss", "LogSoftmax", *layers)
    if not bottleneck:  # a way around the narrow layer
        ops = list(graph.ops)
        ops[2] = replace(ops[2], inputs=(*ops[2].inputs, len(ops) - 4))
        graph = replace(graph, ops=tuple(ops))
    shapes = {"fc1": (32, 64), "fc2": (32, width), "fc3": (32, classes)}
    site = "cross_entropy@train.py:1"
    values = {"start": 1.6, "x1": 1.58, "x0.1": 1.57, "x10": 1.6, "x100": 3.0, "steps": 40, **rates}
    run = fake_run(
        {LOSS: [*np.linspace(2.6, end, 200), *([end] * 400)]},
        [
            objective(input_shape=(32, classes)),
            Targets(objective=site, classes=(50,) * classes),
            *(
                Module(name=n, type="Linear", order=i, output_shape=s)
                for i, (n, s) in enumerate(shapes.items())
            ),
            *(Parameter(name=f"{n}.weight", module=n, shape=(2, 2)) for n in shapes),
            graph,
            Exam(name="rates_end", values=values),
        ],
    )
    return list(UnderfittingCapacity().detect(run))


def test_card():
    assert check_card(UnderfittingCapacity()) == []


def test_a_layer_of_two(net):
    (found,) = said(net)
    assert found.severity == "warning"
    assert found.where == "fc2"
    assert "2 units of fc2" in found.says
    assert "12 classes" in found.says


def test_wide_enough(net):
    assert not said(net, width=8)
    assert not said(net, classes=3)


def test_rows_of_a_batch_that_are_told_apart_are_no_classes(net):
    assert said(net, classes=33)
    assert not said(net, classes=32)  # as many as rows: a contrastive loss


def test_a_bottleneck_that_does_not_hurt(net):
    assert not said(net, end=0.1)


def test_another_rate_would_help(net):
    assert not said(net, x10=0.9)


def test_a_way_around(net):
    assert not said(net, bottleneck=False)


def test_the_first_layer_can_be_the_bottleneck(net):
    graph = net("NllLoss", "LogSoftmax", "out[2,12]", "Relu", "hidden[20,2]")
    site = "cross_entropy@train.py:1"
    facts = [
        objective(input_shape=(32, 12)),
        Targets(objective=site, classes=(50,) * 12),
        Module(name="hidden", type="Linear", order=0, output_shape=(32, 2)),
        Module(name="out", type="Linear", order=1, output_shape=(32, 12)),
        *(Parameter(name=f"{n}.weight", module=n, shape=(2, 2)) for n in ("hidden", "out")),
    ]
    loss = {LOSS: [*np.linspace(2.6, 1.6, 200), *([1.6] * 400)]}
    (found,) = UnderfittingCapacity().detect(fake_run(loss, [*facts, graph]))
    assert found.where == "hidden"
    ops = list(graph.ops)
    ops[4] = replace(ops[4], name="Cat", blocked=1)  # raw data joins behind it
    assert not list(
        UnderfittingCapacity().detect(fake_run(loss, [*facts, replace(graph, ops=tuple(ops))]))
    )


def tried(net, own=0.46, wide=0.1, last=0.47, rows=200, noisy=1.0):
    """Two classes and two units of tanh, and what a wider copy has learnt."""
    graph = net("BinaryCrossEntropyWithLogits", "out[2,1]", "Tanh", "hidden[4,2]")
    site = "binary_cross_entropy_with_logits@train.py:1"
    values = {"start": 0.7, "seen": 0.4, "guess": 0.69, "steps": 300, "rows": rows}
    facts = [
        objective("binary_cross_entropy_with_logits", target_shape=(32, 1), input_shape=(32, 1)),
        Targets(objective=site, samples=1000, integral=True, max=1, mean=(0.5,), std=(0.5,)),
        Module(name="hidden", type="Linear", order=0, output_shape=(32, 2)),
        Module(name="out", type="Linear", order=1, output_shape=(32, 1)),
        *(Parameter(name=f"{n}.weight", module=n, shape=(2, 2)) for n in ("hidden", "out")),
        graph,
        Exam(name="halves", values={**values, "held": own}),
        Exam(name="wide", values={**values, "held": wide, "own": own}),
        Exam(name="modes", values={"train": noisy * last, "eval": last}),
    ]
    loss = {LOSS: [*np.linspace(0.7, 0.47, 200), *np.linspace(0.47, last, 400)]}
    return list(UnderfittingCapacity().detect(fake_run(loss, facts)))


def test_a_wider_copy_soon_does_better_on_rows_it_has_not_seen(net):
    (found,) = tried(net)
    assert found.where == "hidden"
    assert "300 steps" in found.says
    assert not tried(net, wide=0.35)  # better, but not by much
    assert not tried(net, own=0.12)  # the narrow one can, with half of the rows
    assert not tried(net, last=0.3)  # the run is on its way
    assert not tried(net, noisy=2.5)  # dropout keeps it from more
