"""target-scale: targets out of reach of a fresh network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from penlight.core.facts import Targets
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.target_scale import TargetScale
from penlight.testing import check_card, fake_run, objective


def run_of(
    mean: float, std: float, left: float, function: str = "mse_loss", optimizer: str = "Adam"
) -> Run:
    """A regression that ends with the given share of the variance left over."""
    loss: Sequence[float] = [std**2 + mean**2] * 20 + [left * std**2] * 80
    site = objective(function, input_shape=(32, 1), target_shape=(32, 1), first_loss=loss[0])
    targets = Targets(f"{function}@train.py:1", samples=100, mean=(mean,), std=(std,))
    return fake_run({LOSS: loss}, [site, targets], optimizer=optimizer, lr=1e-3)


@pytest.mark.parametrize(
    ("mean", "std"), [(250_000.0, 60_000.0), (1e-3, 1e-3), (2015.0, 4.0)], ids=str
)
def test_convicts_targets_out_of_reach(mean: float, std: float) -> None:
    [found] = TargetScale().detect(run_of(mean, std, left=10.0))
    assert found.severity == "critical"


def test_says_the_numbers() -> None:
    [found] = TargetScale().detect(run_of(250_000, 60_000, left=1.0))
    assert "around 2.5e+05 with a spread of 6e+04" in found.says
    assert "0% of their variance is explained" in found.says
    assert "2.5e+08 steps to the targets, and the run had 100" in found.evidence[1].says


def test_targets_that_moved_away_are_no_measure() -> None:
    """Those of a critic: nobody knows how much of the later ones there is to explain."""
    run = run_of(1.0, 0.08, left=170.0)
    assert list(TargetScale().detect(run))
    still = [x for x in run.facts if not isinstance(x, Targets)]
    moved = [replace(x, moved=20.0) for x in run.facts if isinstance(x, Targets)]
    assert not list(
        TargetScale().detect(fake_run({LOSS: run.series(LOSS).values}, [*still, *moved]))
    )


def test_a_run_that_learnt_a_part_is_warned() -> None:
    assert [f.severity for f in TargetScale().detect(run_of(0, 300, left=0.7))] == ["warning"]


def test_a_run_that_explains_its_targets_is_healthy() -> None:
    assert not list(TargetScale().detect(run_of(250_000, 60_000, left=0.05)))


def test_a_hard_task_within_reach_is_silent() -> None:
    assert not list(TargetScale().detect(run_of(0.0, 0.02, left=1.0)))


def test_standardised_targets_are_silent() -> None:
    assert not list(TargetScale().detect(run_of(0.2, 1.0, left=1.0)))
    assert not list(TargetScale().detect(run_of(0.9, 0.2, left=1.0)))


def test_other_losses_bring_their_own_scale() -> None:
    assert not list(TargetScale().detect(run_of(300, 200, left=1.0, function="poisson_nll_loss")))


def test_moving_targets_are_not_judged() -> None:
    assert not list(TargetScale().detect(run_of(-0.07, 0.05, left=1.0, function="smooth_l1_loss")))


def test_copes_with_an_empty_run() -> None:
    assert not list(TargetScale().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(TargetScale())
