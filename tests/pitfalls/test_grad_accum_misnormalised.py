"""grad-accum-misnormalised."""

from __future__ import annotations

from penlight.core.facts import Accumulation, Hygiene, Targets
from penlight.core.vocabulary import BACKWARDS, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls.grad_accum_misnormalised import GradAccumMisnormalised
from penlight.testing import check_card, fake_run, objective

STUCK = [1.8, 2.5, 3.0, 2.8] * 10
FALLS = [1.8 * 0.9**i for i in range(40)]


def said(*facts, own=STUCK, given=1.0, k=8, optimizer="SGD", uneven=0.0, **fields):
    aim = objective(**fields)
    share = Accumulation(aim.site, steps=40, batches=k, uneven=uneven, fewest=8, most=400)
    series = {
        (OBJECTIVE_LOSS, aim.site): own,
        LOSS: [given * v for v in own],
        BACKWARDS: {0: float(k)},
    }
    run = fake_run(series, (aim, share, *facts), optimizer=optimizer)
    return list(GradAccumMisnormalised().detect(run))


def test_card():
    assert check_card(GradAccumMisnormalised()) == []


def test_not_divided_and_lost():
    (found,) = said()
    assert found.severity == "critical"
    assert "acts like 0.8" in found.says


def test_a_loss_that_stands_at_a_guess_is_lost_though_it_began_a_hair_above():
    targets = Targets(objective=objective().site, samples=1000, integral=True, classes=(100,) * 10)
    at_chance = [2.33, *([2.29, 2.31, 2.30] * 13)]
    (found,) = said(targets, own=at_chance)
    assert "gets nowhere" in found.says
    assert not said(own=at_chance), "nobody knows what a guess costs"
    assert not said(targets, own=[2.33, *([1.2, 1.25, 1.3] * 13)])


def test_a_loss_near_a_guess_that_still_falls_is_on_its_way():
    targets = Targets(objective=objective().site, samples=1000, integral=True, classes=(100,) * 10)
    assert not said(targets, own=[3.2 - 0.02 * i for i in range(40)])


def test_harmless():
    assert not said(given=1 / 8)
    assert not said(own=FALLS)
    assert not said(optimizer="Adam")
    assert not said(k=2)
    assert not said(Hygiene(clip_calls=40)), "clipping takes the factor out"
    assert not said(reduction="sum"), "wrong-reduction speaks of that"


def test_unequal_batches():
    (found,) = said(given=1 / 8, uneven=0.4)
    assert found.severity == "note"
    assert "from 8 to 400 targets" in found.says
    assert not said(given=1 / 8, uneven=0.05)
