"""label-encoding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penlight.core.facts import Exam, Inputs, Targets
from penlight.core.vocabulary import ACCURACY, LOSS
from penlight.pitfalls.label_encoding import LabelEncoding
from penlight.testing import check_card, fake_run, objective

BCE = "binary_cross_entropy_with_logits"


def said(function, low, high, *facts, distinct=2, integral=True, classes=(), **fields):
    targets = Targets(
        objective=f"{function}@train.py:1", samples=500, min=low, max=high, distinct=distinct,
        integral=integral, classes=classes,
    )  # fmt: skip
    run = fake_run(facts=[objective(function, **fields), targets, *facts])
    return list(LabelEncoding().detect(run))


def test_card():
    assert check_card(LabelEncoding()) == []


@pytest.mark.parametrize("pair", [(1, 2), (-1, 1), (0, 255), (0, 2)])
def test_two_other_numbers(pair):
    (found,) = said(BCE, *pair)
    assert found.severity == "critical"
    assert f"{pair[0]} and {pair[1]}" in found.says


def test_margin_loss_wants_signs():
    (found,) = said("soft_margin_loss", 0, 1)
    assert "2 * y - 1" in found.prescriptions[0].do
    assert not said("soft_margin_loss", -1, 1)


@pytest.mark.parametrize(
    ("low", "high", "fields"),
    [
        (0, 1, {}),
        (0.1, 0.9, {"integral": False}),
        (1, 1, {"distinct": 1}),  # one side of a GAN
        (0, 4, {"distinct": 5}),  # more classes: another pitfall
    ],
)
def test_healthy(low, high, fields):
    assert not said(BCE, low, high, **fields)


def test_classes_from_one():
    seen = {"distinct": 9, "classes": (0,) + (50,) * 9}
    (found,) = said("cross_entropy", 1, 9, **seen)
    assert found.severity == "note"
    assert "from 1 to 9" in found.says
    assert not said("cross_entropy", 1, 9, **seen, ignore_index=0)
    assert not said("cross_entropy", 1, 9, Inputs(embedded=True), **seen)
    assert not said("cross_entropy", 1, 9, **seen, input_shape=(32, 16))
    assert not said("cross_entropy", 0, 9, distinct=10, classes=(5,) * 10)


def masked(ignored=0.2, classes=(900, 0), ignore_index=255):
    site = objective("cross_entropy", ignore_index=ignore_index)
    targets = Targets(
        objective=site.site, samples=sum(classes), integral=True, classes=classes, ignored=ignored
    )
    return list(LabelEncoding().detect(fake_run(facts=[site, targets])))


def test_a_mask_of_0_and_255():
    (found,) = masked()
    assert "The others are 255" in found.says
    assert "mask > 0" in found.prescriptions[0].do


def test_who_may_leave_targets_out():
    assert not masked(classes=(900, 100))
    assert not masked(ignored=0.0)  # one class, and nothing left out: another matter
    assert not masked(ignore_index=-100)  # torch's own number is there to be used
    assert not masked(classes=(90, 0))


def test_nothing_known():
    assert not list(LabelEncoding().detect(fake_run(facts=[objective(BCE)])))


NUMBERING = {"right": 0.1, "read": 0.9, "moved": 4, "rows": 100, "as": {"0": 2, "1": 1, "2": 0}}


def numbered(**changes):
    exam = Exam(name="numbering", values={**NUMBERING, **changes})
    return list(LabelEncoding().detect(fake_run(facts=[exam])))


def test_held_out_classes_numbered_in_another_way():
    (found,) = numbered()
    assert "90% when 0 as 2, 2 as 0 are read" in found.says


@pytest.mark.parametrize(("accuracy", "told"), [(0.95, True), (0.02, False)])
def test_training_rows_that_are_named_wrongly_too(accuracy, told):
    facts = [objective(), Exam(name="numbering", values=NUMBERING)]
    run = fake_run({(ACCURACY, objective().site): [accuracy] * 20}, facts)
    assert bool(list(LabelEncoding().detect(run))) is told


@pytest.mark.parametrize(
    "changes",
    [
        {"right": 0.88},  # one numbering
        {"right": 0.2, "read": 0.4},  # what luck and a weak model give
        {"moved": 0},
        {"rows": 20, "read": 0.6},  # too few
    ],
)
def test_one_numbering(changes):
    assert not numbered(**changes)


@pytest.mark.parametrize(("loss", "told"), [(0.1, True), (2.2, False)])
def test_training_rows_that_were_looked_at_early_alone(loss, told):
    facts = [objective(), Exam(name="numbering", values=NUMBERING)]
    facts.append(Targets(objective=objective().site, classes=(100,) * 10))
    answers = {0: 0.1, 1: 0.12, 15: 0.4}
    run = fake_run({LOSS: [loss] * 200, (ACCURACY, objective().site): answers}, facts)
    assert bool(list(LabelEncoding().detect(run))) is told


@pytest.mark.parametrize(
    ("values", "op", "told"),
    [
        ((1, 1), "Convolution", True),
        ((0, 0), "Convolution", True),
        ((1, 0), "Convolution", False),  # real and fake
        ((1, 1), "Neg", False),  # a minus asks for the opposite
        ((1,), "Convolution", False),  # the other half may be written by hand
        ((1, None), "Convolution", False),  # what that one asks for was never seen
    ],
)
def test_all_binary_losses_ask_for_the_same(values, op, told):
    """A discriminator whose real and fake samples are both called real."""
    facts = []
    for line, value in enumerate(values):
        aim = replace(objective(BCE, input_op=op), site=f"{BCE}@train.py:{line}")
        facts.append(aim)
        if value is not None:
            facts.append(Targets(aim.site, samples=300, min=value, max=value, distinct=1))
    found = list(LabelEncoding().detect(fake_run(facts=facts)))
    assert [f"ask for {values[0]}" in x.says for x in found] == [True] * told
