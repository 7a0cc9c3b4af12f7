"""output-units-mismatch."""

from __future__ import annotations

import pytest

from penlight.core.facts import Inputs, Targets
from penlight.pitfalls.output_units_mismatch import OutputUnitsMismatch
from penlight.testing import check_card, fake_run, objective

BCE = "binary_cross_entropy_with_logits"


def said(*facts):
    return list(OutputUnitsMismatch().detect(fake_run(facts=facts)))


def labels(count, function=BCE, **fields):
    values = {"integral": True, "min": 0.0, "max": count - 1.0, "distinct": count, **fields}
    return Targets(objective=f"{function}@train.py:1", samples=500, **values)


def test_card():
    assert check_card(OutputUnitsMismatch()) == []


@pytest.mark.parametrize("shape", [(32, 1), (32,)])
def test_one_unit_for_five_classes(shape):
    (found,) = said(objective(BCE, input_shape=shape, target_shape=shape), labels(5))
    assert found.severity == "critical"
    assert found.exact
    assert "5 different values from 0 to 4" in found.says


def test_cross_entropy_with_one_score():
    assert said(objective(input_shape=(32, 1)), labels(3, "cross_entropy"))


@pytest.mark.parametrize(
    "targets",
    [
        labels(2),
        labels(3, integral=False),
        labels(3, min=-1.0),
        labels(400),  # counts rather than classes
    ],
)
def test_something_else(targets):
    assert not said(objective(BCE, input_shape=(32, 1)), targets)


def test_many_outputs_are_many_questions():
    assert not said(objective(BCE, input_shape=(32, 6), target_shape=(32, 6)), labels(3))


def test_far_more_units_than_classes():
    few = labels(4, "cross_entropy", classes=(9, 9, 9, 9))
    (found,) = said(objective(input_shape=(32, 100)), few)
    assert found.severity == "note"
    assert not said(objective(input_shape=(32, 8)), few)
    assert not said(objective(input_shape=(32, 100)), few, Inputs(embedded=True))


def test_nothing_known():
    assert not said()
    assert not said(objective(BCE, input_shape=(32, 1)))
