"""distribution-shift."""

from __future__ import annotations

import pytest

from penlight.core.facts import AskedColumns, Exam, Inputs, Predictions, Scales, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.distribution_shift import DistributionShift
from penlight.testing import check_card, fake_run, objective

SCALED = {
    "apart": 0.98,
    "z": 15.0,
    "rows": 400,
    "inside": 0.05,
    "outside": 0.45,
    "own": 0.06,
    "blank": 0.75,
    "harm_t": 12.0,
    "own_t": 11.0,
    "mean": [0.0, 3.0],
    "std": [1.0, 1.1],
    "moved": 2.0,
    "column": 4,
    "classes": True,
}


def said(accuracy=0.5, repeated=0.6, **changes):
    passes = [
        Predictions(objective="eval", step=30 * (i + 1), samples=400, accuracy=accuracy)
        for i in range(4)
    ]
    facts = [objective(), Inputs(shape=(32, 20), samples=4000, repeated_rows=repeated), *passes]
    exam = Exam(name="shift", values={**SCALED, **changes})
    return list(DistributionShift().detect(fake_run({}, [*facts, exam], steps=200)))


def test_card():
    assert check_card(DistributionShift()) == []


def test_a_scaler_that_was_forgotten():
    (found,) = said()
    assert found.severity == "critical"
    assert "held-out rows 3 and 1.1" in found.says
    assert "column 4 moved most" in found.evidence[-1].says


def test_few_rows_that_all_give_themselves_away():
    assert said(own_t=3.3, apart=1.0, z=7.6, rows=58, outside=0.59, own=0.17, accuracy=0.31)


def test_a_second_domain_that_training_sees_without_labels():
    assert not said(beside=0.51, beside_z=0.6)
    assert said(beside=0.95, beside_z=14.0)  # what training sees beside is of a third kind


def asked(loss=None, first=False, **changes):
    """A trained model that is asked about raw bytes."""
    values = {
        "root": "model", "trained_low": 0.5, "trained_high": 0.52, "batches": 30, "usual": 12,
        "far": 6, "rows": 1500, "low": 129.0, "high": 132.0, "step": 200,
    }  # fmt: skip
    passes = [Predictions(objective="eval", step=200, samples=1500, loss=loss)] if loss else []
    facts = [
        Inputs(samples=4000, normalised_first=first),
        objective(),
        *passes,
        Scales(**{**values, **changes}),
    ]
    return list(DistributionShift().detect(fake_run({LOSS: [0.3] * 200}, facts, steps=200)))


def test_rows_that_were_not_divided():
    (found,) = asked()
    assert "1,500 rows" in found.says
    assert "248 times larger" in found.says
    (found,) = asked(low=0.002, high=0.002)
    assert "250 times smaller" in found.says
    assert asked(usual=0, loss=4.0)
    assert asked(batches=2, usual=25)


@pytest.mark.parametrize(
    "changes",
    [
        {"between": 3},  # a sampler on its way from noise to data
        {"low": 20.0},
        {"rows": 8},
        {"batches": 2, "usual": 3},
        {"first": True},  # a normalisation in front
        {"usual": 0, "loss": 0.35},  # whatever the scale, it copes
    ],
)
def test_other_sizes_that_do_no_harm(changes):
    assert not asked(**changes)


def test_a_shift_that_moves_no_mean():
    (found,) = said(mean=[0.0, 0.0], std=[1.0, 1.0], outside=0.2)
    assert found.severity == "warning"
    assert "mean" not in found.says


@pytest.mark.parametrize(
    "changes",
    [
        {"apart": 0.53, "z": 1.0},  # rows of one kind
        {"apart": 0.56, "z": 9.0},  # a trifle, seen because there are many rows
        {"outside": 0.09},  # another kind of rows, and no harm: augmentation
        {"own_t": 2.0},  # noise
        {"own_t": 3.3, "apart": 0.8},  # not sure enough, where rows are told apart with effort
        {"accuracy": 0.93},  # the model copes with it
        {"repeated": 0.0},  # training rows are made anew: an augmentation
    ],
)
def test_no_harmful_shift(changes):
    assert not said(**changes)


def test_regression_goes_by_the_variance_that_is_left():
    passes = [Predictions(objective="eval", step=30, samples=400, explained=0.1)]
    values = {**SCALED, "classes": False, "outside": 0.9, "own": 0.1, "blank": 1.0}
    run = fake_run({}, [objective("mse_loss"), *passes, Exam(name="shift", values=values)])
    (found,) = DistributionShift().detect(run)
    assert "of the variance" in found.evidence[1].says


def test_rows_without_known_targets():
    exam = Exam(name="shift", values={"apart": 1.0, "z": 20.0, "rows": 400})
    assert not list(DistributionShift().detect(fake_run({}, [objective(), exam])))


def split(*labels, shown=(700, 400), shape=(32,)):
    """A run with held-out passes of these labels."""
    goal = objective(target_shape=shape)
    passes = [
        Predictions(phase="eval", objective="eval", step=9 * i, samples=sum(x), labels=x)
        for i, x in enumerate(labels)
    ]
    targets = Targets(objective=goal.site, samples=sum(shown), integral=True, classes=shown)
    return list(DistributionShift().detect(fake_run({}, [goal, targets, *passes], steps=20)))


def test_rows_that_were_split_in_the_order_of_their_labels():
    (found,) = split((0, 300), (0, 300), (100, 400))  # behind the last one comes the test set
    assert "All 300 held-out rows are of class 1, to which 36% of the training rows" in found.says
    assert "Shuffle before splitting" in found.prescriptions[0].do


def test_a_class_that_was_split_off_whole():
    (found,) = split((300, 0), shown=(0, 900))
    assert "All 300 held-out rows are of class 0, to which 0% of the training rows" in found.says
    assert not split((0, 300), shown=(0, 900))


@pytest.mark.parametrize(
    ("labels", "fields"),
    [
        ([(0, 300), (200, 0)], {}),  # each class in a pass of its own
        ([(290, 10)], {}),
        ([(0, 20)], {}),  # so few may be drawn like that
        ([(300, 0)], {"shown": (950, 50)}),  # nearly all rows are of that class
        ([(300, 0)], {"shape": (32, 64, 64)}),  # of masks only the first pixels are counted
    ],
)
def test_other_labels_are_no_sorted_split(labels, fields):
    assert not split(*labels, **fields)


RESCALED = {"own": 0.83, "rescaled": 0.02, "training": 0.01, "rows": 200,
            "mean": [0.09, 0.47], "std": [0.8, 0.18]}  # fmt: skip


def rescaled(**changes):
    exam = Exam(name="rescaled", values={**RESCALED, **changes})
    return list(DistributionShift().detect(fake_run({}, [objective(), exam], steps=200)))


def test_the_scale_of_the_training_rows_brings_the_answers_back():
    (found,) = rescaled()
    assert found.severity == "critical"
    assert "mean 0.47 and standard deviation 0.18" in found.says
    assert "names 98% of them rightly instead of 17%" in found.says


def test_another_scale_that_does_not_matter():
    assert not rescaled(own=0.02)
    assert not rescaled(own=0.15)
    assert not rescaled(own=0.5, rescaled=0.3, rows=40)  # within chance
    assert not rescaled(own=0.1, rescaled=0.9)


def raw(**changes):
    values = {"columns": 10, "trained": 2000, "trained_mean": 0.04, "trained_low": 0.99}
    values |= {"trained_high": 1.01, "foreign": 2, "rows": 1000, "mean": 0.5, "std": 0.29}
    facts = [objective(), AskedColumns(**{**values, **changes})]
    return list(DistributionShift().detect(fake_run({LOSS: [0.3] * 200}, facts, steps=200)))


def test_a_scaler_that_was_not_put_to_the_rows_asked():
    (found,) = raw()
    assert "mean of 0.5" in found.says
    assert found.severity == "critical"


@pytest.mark.parametrize(
    "changes",
    [
        {"usual": 1},  # other rows than the held-out ones are tried as well
        {"between": 1},
        {"trained_mean": 0.4},  # no scaler's work
        {"trained_low": 0.6},
        {"trained_high": 1.5},
        {"rows": 20},
    ],
)
def test_rows_that_may_be_asked(changes):
    assert not raw(**changes)
