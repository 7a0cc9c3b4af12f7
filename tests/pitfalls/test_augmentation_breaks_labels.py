"""augmentation-breaks-labels."""

from __future__ import annotations

import pytest

from penlight.core.facts import Exam, Inputs, Predictions
from penlight.pitfalls.augmentation_breaks_labels import AugmentationBreaksLabels
from penlight.testing import check_card, fake_run, objective

MIRRORED = {
    "apart": 0.52,
    "z": 0.5,
    "rows": 400,
    "inside": 0.3,
    "outside": 0.33,
    "own": 0.03,
    "blank": 0.75,
    "harm_t": 1.0,
    "own_t": 9.0,
    "classes": True,
    "turned": {
        "mirrored left to right": {
            "training": 0.01, "held_out": 0.5, "share": 1.0, "from": 1, "to": 0,
        },
        "turned upside down": {
            "training": 0.45, "held_out": 0.5, "share": 1.0, "from": 3, "to": 2,
        },
    },
}  # fmt: skip


def said(accuracy=0.7, repeated=0.0, steps=200, **changes):
    passes = [
        Predictions(objective="eval", step=30 * (i + 1), samples=400, accuracy=accuracy)
        for i in range(4)
    ]
    facts = [objective(), Inputs(shape=(32, 1, 9, 9), samples=4000, repeated_rows=repeated)]
    exam = Exam(name="shift", values={**MIRRORED, **changes})
    run = fake_run({}, [*facts, *passes, exam], steps=steps)
    return list(AugmentationBreaksLabels().detect(run))


def test_card():
    assert check_card(AugmentationBreaksLabels()) == []


def test_a_mirror_that_turns_one_class_into_another():
    (found,) = said()
    assert found.severity == "critical"
    assert "mirrored left to right at random, which makes class 1 look like class 0" in found.says


def test_noise_that_leaves_nothing_to_see():
    (found,) = said(turned={}, inside=0.8, outside=0.8, accuracy=0.12)
    assert "covers what they are about" in found.says
    assert found.confidence < 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"repeated": 0.6},  # the rows come again as they were: no augmentation
        {"accuracy": 0.97},  # the network copes: its training was hard on purpose
        {"outside": 0.08},  # what it teaches holds for clean rows
        {"own_t": 2.0},
        {"own": 0.7, "outside": 0.85},  # nobody can tell the clean rows apart
        {"steps": 60},  # no row could have come again yet
    ],
)
def test_no_harm(changes):
    assert not said(**changes)


APART = {
    "pairs": 120,
    "flipped": 60,
    "reflected": 58,
    "apart": 57,
    "fitting": 0.52,
    "masks": True,
}


def flips(**changes):
    exam = Exam(name="mirrored", values={**APART, **changes})
    return list(AugmentationBreaksLabels().detect(fake_run({}, [objective(), exam], steps=200)))


def test_pictures_and_masks_that_are_flipped_apart():
    (found,) = flips()
    assert found.severity == "critical"
    assert found.confidence == 0.95
    assert "its mask did not follow in 48%" in found.says
    assert "57 of 120 pairs" in found.evidence[0].says
    assert "once per row" in found.prescriptions[0].do
    (found,) = flips(masks=False, apart=90)
    assert "its target did not follow in 75%" in found.says
    assert flips(flipped=0)  # the mask alone is flipped


@pytest.mark.parametrize(
    "changes",
    [
        {"apart": 0},  # flipped together
        {"apart": 20},  # too few: something else makes a row come twice
        {"reflected": 0},  # targets that a flip does not change
        {"pairs": 24, "apart": 12, "reflected": 12},
        {"fitting": 0.95},  # the output is told which
        {"fitting": 0.05},
        {"masks": False, "flipped": 0},  # numbers with two signs, pictures as they were
    ],
)
def test_flips_that_are_no_fault(changes):
    assert not flips(**changes)


TURNED = {"rows": 336, "clearly": 122, "own": 35, "fitting": 0.03}  # as in WB14-2068558


def turned(**changes):
    exam = Exam(name="facing", values={**TURNED, **changes})
    return list(AugmentationBreaksLabels().detect(fake_run({}, [objective(), exam], steps=200)))


def test_pictures_and_masks_that_are_turned_apart():
    (found,) = turned()
    assert found.severity == "critical"
    assert "29% of the masks" in found.says
    assert "122 of 336 masks" in found.evidence[0].says
    assert "once per row" in found.prescriptions[0].do


@pytest.mark.parametrize(
    "changes",
    [
        {"own": 100},  # most lie as their pictures do
        {"own": 2},  # one rule for all: what is asked for is the mirror image
        {"clearly": 50, "own": 12},  # few masks go with the brightness of their picture
        {"rows": 100, "clearly": 30, "own": 8},
        {"fitting": 0.9},  # the output is told which
    ],
)
def test_turns_that_are_no_fault(changes):
    assert not turned(**changes)
