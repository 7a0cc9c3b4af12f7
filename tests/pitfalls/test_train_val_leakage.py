"""train-val-leakage."""

from __future__ import annotations

import pytest

from penlight.core.facts import Exam, Inputs, Predictions
from penlight.core.vocabulary import OBJECTIVE_LOSS
from penlight.pitfalls.train_val_leakage import TrainValLeakage
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"
TABLE = Inputs(shape=(32, 16), samples=2000, repeated_rows=0.5)


def said(shares, samples=300, inputs=TABLE, looks=range(90)):
    passes = [
        Predictions(
            objective="cross_entropy@train.py:9",
            step=30 * (i + 1),
            samples=samples,
            training_rows=share,
        )
        for i, share in enumerate(shares)
    ]
    series = {(OBJECTIVE_LOSS, SITE): dict.fromkeys(looks, 1.0)}
    return list(TrainValLeakage().detect(fake_run(series, [objective(), inputs, *passes])))


def test_card():
    assert check_card(TrainValLeakage()) == []


def test_copies():
    (found,) = said([0.4] * 5)
    assert found.severity == "warning"
    assert "40% of the 300 held-out samples" in found.says


def test_one_odd_pass_does_not_hide_it():
    assert said([0.4, 0.4, 0.4, 0.1])


@pytest.mark.parametrize(
    "shares",
    [
        [0.0] * 5,
        [0.02] * 5,  # duplicates of nature
        [1.0] * 5,  # the training set itself
        [0.95] * 5,
        [0.2, 0.3, 0.4, 0.5],  # the probe is still getting to know the data
        [0.4, 0.4],
    ],
)
def test_no_leak(shares):
    assert not said(shares)


def test_a_pass_as_large_as_the_training_set_may_hold_it():
    assert not said([0.8] * 5, samples=1200)


def test_rows_that_were_never_looked_at():
    assert not said([0.4] * 5, looks=range(0, 90, 3))  # a third of the training rows is known


@pytest.mark.parametrize(
    "inputs",
    [
        Inputs(shape=(32, 16), samples=2000, repeated_rows=0.5, embedded=True),
        Inputs(shape=(32, 16), samples=2000, repeated_rows=0.5, integral=True),
        Inputs(shape=(32, 4), samples=2000, repeated_rows=0.5),
    ],
)
def test_rows_that_are_equal_by_nature(inputs):
    assert not said([0.4] * 5, inputs=inputs)


def near(held_out, inputs=TABLE, **changes):
    values = {"rows": 300, "known": 900, "columns": 16, "exact": 0.0, "training": 1.0}
    exam = Exam(name="twins", values={**values, "held_out": held_out, **changes})
    return list(TrainValLeakage().detect(fake_run({}, [objective(), inputs, exam])))


def test_noisy_copies():
    (found,) = near(0.35)
    assert "35% of 300 held-out samples have a near copy" in found.says


def test_rows_that_are_alike_by_nature():
    assert not near(0.1)
    assert not near(0.4, training=0.06)  # the training has moved to other data
    assert not near(0.9, exact=0.85)  # the other rule's, which knows how to read them
    assert not near(0.5, Inputs(shape=(32, 16), samples=2000, integral=True))
