"""duplicate-augmentation-workers."""

from __future__ import annotations

import random

import numpy as np
import pytest

from penlight.core.facts import Exam
from penlight.pitfalls.duplicate_augmentation_workers import DuplicateAugmentationWorkers
from penlight.testing import check_card, fake_run

HELD = {
    "generator": "dataset.rng",
    "workers": 2,
    "epochs": 1,
    "persistent": False,
    "seeded": False,
    "batch": 25,
}


def said(**changes):
    exam = Exam(name="workers", values={**HELD, **changes})
    return list(DuplicateAugmentationWorkers().detect(fake_run({}, [exam])))


def test_card():
    assert check_card(DuplicateAugmentationWorkers()) == []


def test_a_generator_in_the_dataset():
    (found,) = said()
    assert "`dataset.rng`" in found.says
    assert "2 times an epoch" in found.says


def test_one_worker_starts_anew_each_epoch():
    (found,) = said(workers=1, epochs=2)
    assert "once more in each epoch" in found.says


@pytest.mark.parametrize(
    "changes",
    [
        {"seeded": True},  # a worker_init_fn
        {"workers": 1},
        {"workers": 1, "epochs": 2, "persistent": True},
    ],
)
def test_own_dice(changes):
    assert not said(**changes)


class Jitter:
    def __init__(self) -> None:
        self.dice = random.Random(0)

    def __call__(self, x):
        return x + self.dice.random()


class Rows:
    """Splits with one generator, draws with another inside a transform."""

    def __init__(self, *transforms) -> None:
        self.rng = np.random.default_rng(0)
        self.order = self.rng.permutation(5)
        self.transforms = list(transforms)

    def __getitem__(self, i):
        for transform in self.transforms:
            i = transform(i)
        return i


def test_generators_that_are_drawn_from_are_found():
    pytest.importorskip("torch")
    from penlight.probe.loaders import generators

    assert list(generators(Rows(Jitter()))) == ["dataset.transforms[0].dice"]
    assert list(generators(Rows())) == []  # only used to split
