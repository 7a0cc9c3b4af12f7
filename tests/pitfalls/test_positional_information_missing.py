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


def said(apart=1e-7, other=0.8, curve=FLAT, modules=(TOKENS, ATTENTION), ops=(), **more):
    loss = objective()
    exam = Exam(name="order", values={"apart": apart, "other": other, "length": 12, **more})
    targets = Targets(
        objective=loss.site, samples=60, classes=(30, 30), entropy=0.693, integral=True
    )
    facts = [loss, targets, exam, *modules, Graph(ops=tuple(map(Op, ops)))]
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
        {"modules": (TOKENS,)},  # no attention: a mean of embeddings on purpose
        {"modules": (TOKENS,), "ops": ("Softmax", "Mm")},
    ],
)
def test_silent(changes):
    assert not said(**changes)


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
