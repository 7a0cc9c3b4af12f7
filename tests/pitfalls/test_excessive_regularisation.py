"""excessive-regularisation."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Exam, Graph, Hygiene, Module, Op, Optimizer, Parameter, Targets
from penlight.core.vocabulary import GRAD_NORM, LOSS, OBJECTIVE_LOSS, WEIGHT_NORM
from penlight.pitfalls.excessive_regularisation import ExcessiveRegularisation
from penlight.testing import check_card, fake_run, objective

SITE = "mse_loss@train.py:1"
OPS = (
    Op("Add", (), (1, 5)),
    Op("MseLoss", (), (2,)),
    Op("Addmm", (32, 1), (3,)),
    Op("T", (8, 1), (4,)),
    Op("AccumulateGrad", (1, 8), (), "fc.weight"),
    Op("Sum", (), (6,)),
    Op("Pow", (1, 8), (4,)),
)


def said(
    task=0.5,
    penalty=0.0,
    norm=0.3,
    grad=0.1,
    graph=True,
    decay=0.0,
    kind="SGD",
    facts=(),
    by_hand=False,
):
    steps = 300
    fall = np.append(np.linspace(1.0, task, steps // 2), np.full(steps // 2, task))
    run = fake_run(
        {
            LOSS: (fall + penalty).tolist(),
            (OBJECTIVE_LOSS, SITE): fall.tolist(),
            (WEIGHT_NORM, "fc.weight"): np.linspace(1.0, norm, steps).tolist(),
            (GRAD_NORM, "fc.weight"): [grad] * steps,
        },
        [
            Optimizer(type=kind, lr=0.05, weight_decay=decay),
            objective("mse_loss", by_hand=by_hand),
            Targets(objective=SITE, mean=(0.0,), std=(1.0,)),
            Parameter(name="fc.weight", shape=(1, 8), std=0.3),
            *([Graph(ops=OPS)] if graph else []),
            *facts,
        ],
    )
    return list(ExcessiveRegularisation().detect(run))


def test_card():
    assert check_card(ExcessiveRegularisation()) == []


def test_a_penalty_larger_than_the_task():
    (found,) = said(task=0.3, penalty=3.0)
    assert found.severity == "warning"
    assert "The penalty on 1 weight tensor in the loss" in found.says


def test_the_exam_shows_what_the_task_alone_would_do():
    freed = Exam(name="rates_end", values={"start": 0.3, "x1": 0.1, "x0.1": 0.2})
    (found,) = said(task=0.3, penalty=3.0, facts=[freed])
    assert "from 0.3 to 0.1" in found.evidence[-1].says


def test_a_sum_by_hand_looks_like_a_penalty_and_is_none():
    assert not said(task=0.3, penalty=3.0, by_hand=True)
    freed = Exam(name="rates_end", values={"start": 0.3, "x1": 0.1, "x0.1": 0.2})
    assert said(task=0.3, penalty=3.0, by_hand=True, facts=[freed])


@pytest.mark.parametrize(
    "fields",
    [
        {"task": 0.3, "penalty": 0.1},  # a mild one
        {"task": 0.02, "penalty": 3.0},  # the fit does not suffer
        {"task": 0.3, "penalty": 3.0, "norm": 1.2},  # the weights do not mind
        {"task": 0.3, "penalty": 3.0, "graph": False},  # a second task, not a penalty
    ],
)
def test_penalties_that_do_no_harm(fields):
    assert not said(**fields)


def test_weight_decay_that_outweighs_the_gradient():
    (found,) = said(task=0.6, decay=0.3)
    assert found.severity == "critical"
    assert "weight_decay=0.3 of SGD" in found.says


@pytest.mark.parametrize(
    "fields",
    [
        {"decay": 1e-4},  # too weak to have done it
        {"decay": 0.3, "norm": 1.1},
        {"decay": 0.3, "grad": 2.0},  # the gradient outweighs it
        {"decay": 0.3, "task": 0.1},
    ],
)
def test_decay_that_does_no_harm(fields):
    assert not said(**fields)


def test_dropout_that_keeps_nothing():
    drop = Module(name="drop", type="Dropout", settings={"p": 0.8})
    (found,) = said(task=0.6, facts=[drop])
    assert "deletes 80%" in found.says
    assert not said(task=0.1, facts=[drop])
    assert not said(task=0.6, facts=[Module(name="drop", type="Dropout", settings={"p": 0.5})])


def test_dropout_as_a_function():
    written = Hygiene(functional_dropout=0.8, functional_dropout_source="train.py:7")
    (found,) = said(task=0.6, facts=[written])
    assert found.says.startswith("F.dropout deletes 80%")
    assert found.source == "train.py:7"
    assert not said(task=0.1, facts=[written])
    assert not said(task=0.6, facts=[Hygiene(functional_dropout=0.5)])
    layer = Module(name="drop", type="Dropout", settings={"p": 0.8})
    (found,) = said(task=0.6, facts=[written, layer])  # it was the layer that called it
    assert found.where == "drop"


def test_worse_than_guessing_is_not_the_work_of_a_penalty():
    assert not said(task=3.0, penalty=9.0)


def test_a_penalty_that_has_won_is_small():
    (found,) = said(task=0.95, penalty=0.05, norm=0.01)
    assert found.severity == "critical"


def test_adam_divides_decay_by_its_size_too():
    """lr x decay x steps stays under a half, and the weights are gone all the same."""
    assert said(decay=0.02, kind="Adam", norm=0.001, grad=0.001)
    assert not said(decay=0.02, kind="SGD", norm=0.001, grad=0.001)
    assert not said(decay=0.02, kind="Adam", norm=0.9, grad=0.001)
