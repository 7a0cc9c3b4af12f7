"""positional-information-missing."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Exam, Graph, Module, Op, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.positional_information_missing import PositionalInformationMissing
from penlight.testing import check_card, fake_run, objective

ATTENTION = Module(name="attention", type="MultiheadAttention", order=1)
TOKENS = Module(name="token", type="Embedding", order=0, source="train.py:20")
FLAT = np.full(60, 0.69)
KNOWN = np.linspace(0.69, 0.05, 60)


ALONE = {"others": 0.0, "noise": 0.0, "dim": 0}


def said(apart=1e-7, other=0.8, curve=FLAT, modules=(TOKENS, ATTENTION), ops=(), rows=None, **more):
    loss = objective()
    exam = Exam(name="order", values={"apart": apart, "other": other, "length": 12, **more})
    targets = Targets(
        objective=loss.site, samples=60, classes=(30, 30), entropy=0.693, integral=True
    )
    facts = [loss, targets, exam, *modules, Graph(ops=tuple(map(Op, ops)))]
    facts += [Exam(name="coupling", values=rows)] if rows is not None else []
    return list(PositionalInformationMissing().detect(fake_run({LOSS: curve.tolist()}, facts)))


def test_card():
    assert check_card(PositionalInformationMissing()) == []


def test_a_bag_of_words_that_learns_nothing():
    (found,) = said()
    assert "12 inner" not in found.evidence[0].says
    assert "10 inner tokens" in found.evidence[0].says
    assert (found.where, found.source) == ("token", "train.py:20")
    assert found.severity == "warning"


@pytest.mark.parametrize("ops", [("ScaledDotProductFlashAttentionForCpu",), ("Softmax", "Bmm")])
def test_attention_written_out(ops):
    assert said(modules=(TOKENS,), ops=ops)


@pytest.mark.parametrize(
    "changes",
    [
        {"apart": 0.02},  # places are told
        {"other": 1e-5},  # no token is read at all
        {"curve": KNOWN},  # a bag of words is enough
        {"rows": {**ALONE, "own": 0.0}},  # a mask hides all of them
        {"modules": (TOKENS,)},  # no attention: a mean of embeddings on purpose
        {"modules": (TOKENS,), "ops": ("Softmax", "Mm")},
    ],
)
def test_silent(changes):
    assert not said(**changes)


@pytest.mark.parametrize("curve", [FLAT, KNOWN])
def test_places_counted_along_the_batch(curve):
    (found,) = said(curve=curve, rows=ALONE, turned=0.4)
    assert "along the batch" in found.says
    assert found.severity == "critical"
    assert "moved by 0.4" in found.evidence[1].says


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": {**ALONE, "others": 0.3}},  # time comes first: the steps know of each other
        {"rows": {**ALONE, "noise": 0.3}},
        {"rows": {**ALONE, "dim": 1}},
        {"rows": ALONE, "turned": 1e-6},
        {"rows": ALONE, "apart": 0.1},  # a state for each row, and the order is told
        {"rows": None},
    ],
)
def test_rows_whose_place_does_not_count(changes):
    assert not said(curve=KNOWN, **{"turned": 0.4, **changes})


def test_an_answer_for_each_step_that_depends_on_its_place():
    (found,) = said(modules=(ATTENTION,), smooth=1.0, placed=0.44, placed_f=200.0)
    assert "44% of what the answers miss" in found.evidence[1].says
    assert found.where == ""


def test_one_answer_for_a_series():
    (found,) = said(modules=(ATTENTION,), smooth=0.2)
    assert "neighbours" in found.evidence[1].says


@pytest.mark.parametrize(
    "changes",
    [
        {"smooth": 1.0},  # a set of points
        {"smooth": 0.2, "placed": 0.01, "placed_f": 2.0},  # answers that miss no place
        {"smooth": 1.0, "placed": 0.15, "placed_f": 3.0},  # too few to say
    ],
)
def test_silent_about_vectors(changes):
    assert not said(modules=(ATTENTION,), **changes)
