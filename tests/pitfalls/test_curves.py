"""What the loss curves say: chance, the share learnt, plateaus, falls and breakdowns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penlight.core.facts import Exam, Fact, Objective, Predictions, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import chance_loss, fails, loss_curve, progress, stuck, verdict
from penlight.testing import fake_run, objective

SITE = "cross_entropy@train.py:1"
TENS = Targets(SITE, samples=1000, classes=(100,) * 10, entropy=math.log(10))
NOISE = np.random.default_rng(0).normal(0, 0.05, 400)


def run_of(loss: list[float], *facts: Fact, site: Objective | None = None) -> Run:
    return fake_run({LOSS: loss}, [site or objective(), TENS, *facts])


def test_learning_is_measured_against_chance() -> None:
    seen = progress(run_of(list(0.23 + 2 * 0.9 ** np.arange(400) + NOISE)))
    assert seen is not None
    assert seen.chance == pytest.approx(math.log(10))
    assert seen.learnt == pytest.approx(0.9, abs=0.01)
    assert seen.fell
    assert not seen.falling
    assert not seen.diverged


def test_answers_replayed_at_the_end_count_where_nothing_late_was_seen() -> None:
    high = list(np.linspace(2.3, 1.8, 400))
    right = Exam(
        name="shuffled", values={"true": 1, "shuffled": 1, "accuracy": 0.9, "majority": 0.2}
    )
    seen = progress(run_of(high, right))
    assert seen is not None
    assert seen.learnt == pytest.approx(0.875)
    alone = Exam(name="shuffled", values={**right.values, "majority": 1.0})
    sorted_last = progress(run_of(high, alone))
    assert sorted_last is not None
    assert sorted_last.learnt == pytest.approx(0.2, abs=0.05)


def test_a_noisy_plateau_is_flat_and_ruined() -> None:
    run = run_of(list(2.3 + NOISE))
    seen = progress(run)
    assert seen is not None
    assert seen.flat
    assert stuck(run, 0.1)
    assert verdict(run) == "ruined"


def test_a_loss_still_falling_is_seen_through_its_noise() -> None:
    seen = progress(run_of(list(2.3 - 0.004 * np.arange(400) + NOISE)))
    assert seen is not None
    assert seen.falling
    assert seen.slope == pytest.approx(0.004 * 133, rel=0.1)


def test_a_run_that_breaks_at_once_still_has_a_beginning() -> None:
    run = run_of([4.0, 9e5, *[math.nan] * 50])
    seen = progress(run)
    assert seen is not None
    assert (seen.first, seen.end, seen.broken) == (4.0, math.inf, 2)
    assert seen.diverged
    assert verdict(run) == "ruined"


def test_a_single_skipped_step_is_no_breakdown() -> None:
    seen = progress(run_of([2.3, math.inf, *list(2.3 * 0.95 ** np.arange(98))]))
    assert seen is not None
    assert seen.broken is None


def test_sums_are_brought_to_the_scale_of_one_target() -> None:
    losses = 2.3 * 0.99 ** np.arange(100)
    run = fake_run(
        {LOSS: list(32 * losses), (OBJECTIVE_LOSS, SITE): list(losses[:8])}, [objective(), TENS]
    )
    assert loss_curve(run).values == pytest.approx(losses)


def test_accuracy_at_the_end_counts_where_the_loss_does_not() -> None:
    run = fake_run(
        {LOSS: [2.3] * 100, (ACCURACY, SITE): {95: 0.91, 99: 0.91}},
        [objective(weighted=True), TENS],
    )
    seen = progress(run)
    assert seen is not None
    assert seen.learnt == pytest.approx(0.9)


def test_accuracy_of_the_first_steps_says_nothing_about_the_end() -> None:
    run = fake_run(
        {LOSS: [2.3] * 100, (ACCURACY, SITE): [0.1] * 9}, [objective(weighted=True), TENS]
    )
    seen = progress(run)
    assert seen is not None
    assert seen.learnt is None


def test_an_evaluation_at_the_end_counts() -> None:
    run = run_of([2.3] * 100, Predictions(step=100, accuracy=0.55), site=objective(weighted=True))
    seen = progress(run)
    assert seen is not None
    assert seen.learnt == pytest.approx(0.5)


def test_label_smoothing_has_a_floor() -> None:
    floor = -(0.91 * math.log(0.91) + 9 * 0.01 * math.log(0.01))
    seen = progress(run_of([floor] * 100, site=objective(label_smoothing=0.1)))
    assert seen is not None
    assert seen.learnt == pytest.approx(1.0)


def test_chance_is_unknown_for_probabilities_and_for_wide_targets() -> None:
    site = objective("binary_cross_entropy", input_shape=(64, 784), target_shape=(64, 784))
    wide = Targets(
        "binary_cross_entropy@train.py:1", mean=(0.0,) * 64, std=(0.0,) * 64, integral=True
    )
    assert chance_loss(fake_run({}, [site, wide])) is None
    site = objective("binary_cross_entropy", input_shape=(64, 1), target_shape=(64, 1))
    soft = Targets("binary_cross_entropy@train.py:1", mean=(0.4,), std=(0.2,), max=1.0)
    assert chance_loss(fake_run({}, [site, soft])) is None


def test_chance_of_binary_and_squared_losses() -> None:
    site = objective("binary_cross_entropy", input_shape=(64,), target_shape=(64,))
    even = Targets("binary_cross_entropy@train.py:1", mean=(0.5,), integral=True, max=1.0)
    assert chance_loss(fake_run({}, [site, even])) == pytest.approx(math.log(2))
    site = objective("mse_loss", input_shape=(64, 2), target_shape=(64, 2))
    targets = Targets("mse_loss@train.py:1", mean=(5.0, 7.0), std=(1.0, 3.0))
    assert chance_loss(fake_run({}, [site, targets])) == pytest.approx(5.0)


def test_dealt_inputs_decide_where_chance_is_unknown() -> None:
    blind = Exam("shuffled", values={"true": 1.00, "shuffled": 1.01})
    seeing = Exam("shuffled", values={"true": 0.2, "shuffled": 1.9})
    loss = list(5.0 * 0.9 ** np.arange(100) + 1)
    assert verdict(fake_run({LOSS: loss}, [objective("kl_div"), blind])) == "ruined"
    assert verdict(fake_run({LOSS: loss}, [objective("kl_div"), seeing])) == "unknown"


def test_without_a_known_loss_function_a_flat_curve_is_no_verdict() -> None:
    assert verdict(fake_run({LOSS: list(NOISE)})) == "unknown"
    assert fails(fake_run({LOSS: list(NOISE)})) == "ruined"
    assert verdict(fake_run()) == "unknown"
    assert progress(fake_run()) is None


def test_chance_of_absolute_errors_is_known_from_an_experiment() -> None:
    aim = objective("l1_loss", input_shape=(32, 1), target_shape=(32, 1), target_dtype="float32")
    targets = Targets(objective=aim.site, samples=100, mean=(0.0,), std=(1.0,))
    values = {"start": 1.0, "held": 0.5, "seen": 0.4, "guess": 0.8, "steps": 200, "rows": 100}
    known = fake_run({LOSS: [0.8] * 50}, [aim, targets, Exam(name="halves", values=values)])
    assert chance_loss(known) == 0.8
    assert chance_loss(fake_run({LOSS: [0.8] * 50}, [aim, targets])) is None
