"""The test that accepts a change: known values, and its error rate on data where nothing helps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penlight.trial.decide import (
    ERROR,
    FIRST,
    LAST,
    MARGIN,
    MOST,
    PROVEN,
    SURE,
    G,
    Pair,
    Rule,
    decide,
    e_value,
)

TRIALS = 1500


def pairs(differences: list[float], spread: float = 0.0) -> list[Pair]:
    return [Pair(d, spread * i, spread * i - d) for i, d in enumerate(differences)]


def verdict(
    rng: np.random.Generator, effect: float, spread: float, rule: Rule = FIRST
) -> tuple[str, int]:
    """Fresh pairs until the test has seen enough."""
    seen: list[Pair] = []
    while True:
        control, treated = rng.normal(0, spread, 2)
        seen.append(Pair(control - treated + effect, control, treated - effect))
        decision = decide(seen, rule)
        if decision.verdict is not None:
            return decision.verdict, decision.pairs


def test_e_value_of_a_known_case() -> None:
    # Two-sided, e = (1 + ng)^-1/2 [(1 + t2/v) / (1 + t2/(v (1 + ng)))]^(n/2); the one-sided prior
    # doubles it where the effect is clearly positive.
    x = np.array([0.658, 0.731, 0.726])
    t2 = 3 * x.mean() ** 2 / x.var(ddof=1)
    n_g = 1 + 3 * G
    two_sided = n_g**-0.5 * ((1 + t2 / 2) / (1 + t2 / (2 * n_g))) ** 1.5
    assert e_value(x) == pytest.approx(2 * two_sided, rel=0.01)
    assert e_value(-x) < 0.1


def test_e_value_averages_at_most_one_where_nothing_helps() -> None:
    rng = np.random.default_rng(0)
    values = [e_value(rng.normal(0, 1, 4)) for _ in range(2000)]
    assert np.mean(values) < 1.15


def test_a_clear_benefit_is_accepted_at_the_earliest() -> None:
    decision = decide(pairs([1.0, 1.1, 0.9]))
    assert (decision.verdict, decision.pairs) == ("accept", 3)
    assert decision.error_rate == pytest.approx(FIRST.error)


def test_two_pairs_are_too_few() -> None:
    assert decide(pairs([1.0, 1.1])).verdict is None
    assert decide([]).verdict is None


def test_a_difference_inside_the_margin_is_no_benefit() -> None:
    assert decide(pairs([MARGIN / 2] * 4)).verdict == "no-benefit"


def test_a_clear_harm_is_told() -> None:
    assert decide(pairs([-1.0, -1.1, -0.9])).verdict == "harmful"


def test_nothing_changed() -> None:
    assert decide([Pair(0.0, 1.0, 1.0, identical=True)]).verdict == "no-effect"


def test_separation_accepts_what_the_t_test_finds_too_uneven() -> None:
    uneven = [0.4, 3.0, 0.4, 6.0]
    assert decide(pairs(uneven)[:3]).verdict is None
    assert decide(pairs(uneven)).verdict == "accept"


def test_in_between_is_undecided_at_the_end() -> None:
    mixed = pairs([1.0, -0.5, 1.0, -0.5, 1.0, -0.5], spread=0.3)
    assert decide(mixed).verdict == "undecided"
    assert len(mixed) == MOST


def test_what_goes_one_way_and_the_other_is_given_up_early() -> None:
    decision = decide(pairs([-0.4, 1.0, -0.3], spread=1.0))
    assert (decision.verdict, decision.pairs) == ("undecided", 3)


def test_incomparable_outcomes_are_undecided() -> None:
    assert decide(pairs([1.0, math.nan, 1.0])).verdict == "undecided"


def test_where_seeds_change_nothing_one_pair_decides() -> None:
    assert decide(pairs([2 * SURE]), fixed=True).verdict == "accept"
    assert decide(pairs([SURE / 2]), fixed=True).verdict == "no-benefit"
    assert decide(pairs([-2 * SURE]), fixed=True).verdict == "harmful"


def test_both_tests_of_a_visit_stay_below_a_twentieth() -> None:
    assert pytest.approx(FIRST.error + LAST.error) == ERROR
    assert ERROR < 0.05


def test_a_second_candidate_needs_more() -> None:
    close = pairs([0.10, 0.12, 0.11], spread=1.0)
    assert decide(close).verdict == "accept"
    assert decide(close, LAST).verdict is None


@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_placebos_pass_no_more_often_than_stated(spread: float) -> None:
    rng = np.random.default_rng(7)
    accepted = sum(
        any(verdict(rng, 0.0, spread, rule)[0] == "accept" for rule in (FIRST, LAST))
        for _ in range(TRIALS)
    )
    # A binomial count at the stated rate lies below this in all but one of a thousand tests.
    assert accepted <= TRIALS * ERROR + 3.1 * math.sqrt(TRIALS * ERROR)
    proven = sum(verdict(rng, 0.0, spread, PROVEN)[0] == "accept" for _ in range(TRIALS))
    assert proven <= TRIALS * PROVEN.error + 3.1 * math.sqrt(TRIALS * PROVEN.error)


def test_a_hair_for_the_better_in_every_pair_is_not_accepted() -> None:
    rng = np.random.default_rng(3)
    hairs = [pairs((0.004 + 0.001 * rng.normal(size=6)).tolist()) for _ in range(50)]
    assert all(decide(hair).verdict == "no-benefit" for hair in hairs)


def test_real_effects_are_found_in_few_pairs() -> None:
    rng = np.random.default_rng(1)
    found = [verdict(rng, 1.0, 0.1) for _ in range(200)]
    assert sum(said == "accept" for said, _ in found) >= 199
    assert np.mean([count for _, count in found]) < 4
