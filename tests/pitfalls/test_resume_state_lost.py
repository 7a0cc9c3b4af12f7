"""resume-state-lost."""

from __future__ import annotations

import pytest

from penlight.core.facts import Resume
from penlight.pitfalls.resume_state_lost import ResumeStateLost
from penlight.testing import check_card, fake_run


def said(**fields):
    values = {"step": 500, "tensors": 6, "age": 500, "same": True}
    rates = {"saved_lr": 0.001, "lr": 0.1}
    fact = Resume(**{**values, **rates, **fields})
    return list(ResumeStateLost().detect(fake_run(facts=[fact], steps=900)))


def test_card():
    assert check_card(ResumeStateLost()) == []


def test_thrown_back():
    (found,) = said()
    assert found.severity == "warning"
    assert found.first_step == 500
    assert "0.1 again" in found.says


@pytest.mark.parametrize("tensors", [0, 6])
def test_sgd_counts_no_steps(tensors):
    (found,) = said(tensors=tensors, age=0)
    assert found.severity == "warning"
    assert "averages" not in found.says
    assert "0.1 again" in found.says


def test_same_rate_is_a_note():
    (found,) = said(saved_lr=0.1)
    assert found.severity == "note"


@pytest.mark.parametrize(
    "fields",
    [
        {"restored": True},
        {"same": False},  # another optimiser: fine-tuning
        {"tensors": 0, "age": 0, "saved_lr": 0.1},  # plain SGD has no state to lose
        {"age": 20},
    ],
)
def test_silent(fields):
    assert not said(**fields)
