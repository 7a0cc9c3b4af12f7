"""Ranking: proofs before statistics, causes before symptoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from penlight.core.facts import Exam, Fact, NonFinite, Optimizer, Predictions, Targets
from penlight.core.finding import Finding, Severity
from penlight.core.pitfall import Pitfall
from penlight.core.run import Run
from penlight.core.vocabulary import (
    ACCURACY,
    ACT_RMS,
    DEAD_SHARE,
    LOSS,
    OBJECTIVE_LOSS,
    OUTPUT_MEAN,
    Signal,
)
from penlight.diagnosis import diagnose, rank, told
from penlight.testing import fake_run, objective


def pitfall(name: str, *causes: str, stands: bool = False) -> Pitfall:
    class Made(Pitfall):
        """A pitfall of the test."""

        caused_by = causes

        def detect(self, run: Run) -> Iterator[Finding]:
            return iter(())

    Made.name, Made.family, Made.stands_alone = name, "data", stands
    return Made()


def finding(
    name: str, sure: float = 0.9, severity: Severity = "critical", **more: object
) -> Finding:
    return Finding(name, f"{name}.", severity, sure, **more)  # type: ignore[arg-type]  # plain fields


def order(findings: list[Finding], *known: Pitfall) -> list[tuple[str, str, str]]:
    ranked = rank(findings, {p.name: p for p in known})
    assert [x.rank for x in ranked] == list(range(1, len(ranked) + 1))
    return [(x.pitfall, x.role, x.because_of) for x in ranked]


def test_a_symptom_comes_after_its_cause_however_sure_it_is() -> None:
    known = pitfall("dead", "rate"), pitfall("rate")
    assert order([finding("dead", 0.98), finding("rate", 0.7)], *known) == [
        ("rate", "cause", ""),
        ("dead", "symptom", "rate"),
    ]


def test_a_chain_of_causes_is_followed_to_its_end() -> None:
    known = pitfall("flat", "dead"), pitfall("dead", "rate"), pitfall("rate")
    found = order([finding(n) for n in ("flat", "dead", "rate")], *known)
    assert [(n, c) for n, _, c in found[1:]] == [("dead", "rate"), ("flat", "rate")]


def test_a_note_explains_no_alarm() -> None:
    known = pitfall("dead", "rate"), pitfall("rate")
    found = order([finding("dead"), finding("rate", severity="note")], *known)
    assert found[0] == ("dead", "cause", "")


def test_of_two_that_cause_each_other_the_more_trusted_stands() -> None:
    known = pitfall("a", "b"), pitfall("b", "a")
    assert order([finding("a", 0.8), finding("b", 0.95)], *known) == [
        ("b", "cause", ""),
        ("a", "symptom", "b"),
    ]


def test_a_proof_comes_before_a_surer_statistic() -> None:
    known = pitfall("slow", stands=True), pitfall("proven")
    found = order([finding("slow", 0.999), finding("proven", 0.99, exact=True)], *known)
    assert [n for n, _, _ in found] == ["proven", "slow"]


def test_a_proven_fault_explains_what_statistics_say_about_the_run_but_not_about_the_data() -> None:
    known = pitfall("stuck"), pitfall("scale", stands=True), pitfall("proven")
    found = order([finding("stuck"), finding("scale"), finding("proven", exact=True)], *known)
    assert found == [
        ("proven", "cause", ""),
        ("scale", "cause", ""),
        ("stuck", "symptom", "proven"),
    ]


def test_a_proof_that_is_a_consequence_itself_explains_nothing_else() -> None:
    known = pitfall("nan", "grows"), pitfall("grows")
    assert order([finding("nan", exact=True), finding("grows")], *known) == [
        ("grows", "cause", ""),
        ("nan", "symptom", "grows"),
    ]


def test_a_proven_trifle_explains_nothing() -> None:
    known = pitfall("stuck"), pitfall("trifle")
    found = order([finding("stuck"), finding("trifle", severity="warning", exact=True)], *known)
    assert found[0] == ("stuck", "cause", "")
    assert found[1] == ("trifle", "cause", "")


def test_several_findings_of_one_pitfall_are_told_as_one() -> None:
    found = rank([finding("a", 0.6, where="x"), finding("a", 0.9, where="y")], {})
    assert [(x.pitfall, x.where) for x in found] == [("a", "y")]


def test_among_equals_the_earlier_comes_first() -> None:
    found = rank([finding("a", first_step=40), finding("b", first_step=2)], {})
    assert [x.pitfall for x in found] == ["b", "a"]


class Twin(Pitfall):
    """Looks like the loud one, and asks for what a test gives."""

    family = "data"
    looks_like: ClassVar = {"loud": "The loud one always fires."}

    def detect(self, run: Run) -> Iterator[Finding]:
        if run.series(OUTPUT_MEAN):
            yield self.finding("Here it is.")


def apart(run: Run, *needs: Signal | type[Fact]) -> list[str]:
    """What the loud one is told apart from, when its twin needs these."""
    twin = type("Twin", (Twin,), {"needs": needs})()
    found = {x.pitfall: x for x in diagnose(run, [Loud(), twin]).findings}
    return [x.pitfall for x in found["loud"].excluded]


def test_a_look_alike_that_was_looked_for_and_is_silent_is_excluded() -> None:
    run = fake_run({LOSS: [1.0] * 30})
    assert apart(run, LOSS) == ["twin"]
    told = diagnose(run, [Loud(), Twin()]).to_json()["findings"][0]
    assert told["excluded"] == [{"pitfall": "twin", "says": "The twin is in the mean."}]


def test_a_look_alike_that_was_found_is_not_excluded() -> None:
    assert apart(fake_run({LOSS: [1.0] * 30, OUTPUT_MEAN: [1.0]}), LOSS) == []


@pytest.mark.parametrize(
    ("needs", "seen"),
    [
        ((ACT_RMS,), False),
        ((DEAD_SHARE,), False),
        ((LOSS, ACCURACY), True),  # one or the other, as the task is
        ((ACCURACY,), False),
        ((NonFinite, LOSS), True),
        ((Predictions,), False),
        ((Exam,), False),
    ],
)
def test_what_could_not_be_seen_is_not_claimed_as_excluded(needs: object, seen: bool) -> None:
    window = Predictions(phase="train", samples=10)
    run = fake_run({LOSS: [1.0] * 30}, [window])
    assert bool(apart(run, *needs)) == seen  # type: ignore[misc]  # a tuple of needs
    assert not apart(fake_run({LOSS: [1.0] * 5}), LOSS), "five steps exclude nothing"


def test_a_net_without_the_unit_excludes_what_happens_to_it() -> None:
    assert apart(fake_run({LOSS: [1.0] * 30, ACT_RMS: [1.0]}), DEAD_SHARE) == ["twin"]


class Broken(Pitfall):
    """A detector with a fault."""

    family = "data"

    def detect(self, run: Run) -> Iterator[Finding]:
        raise ZeroDivisionError("of its own")
        yield


class Loud(Pitfall):
    """A detector that always fires."""

    family = "data"
    looks_like: ClassVar = {"twin": "The twin is in the mean."}

    def detect(self, run: Run) -> Iterator[Finding]:
        yield self.finding("Always.")


def test_a_broken_detector_is_told_and_hides_no_other() -> None:
    diagnosis = diagnose(fake_run(), [Broken(), Loud()])
    assert [x.pitfall for x in diagnosis.findings] == ["loud"]
    assert diagnosis.faults == ("the broken detector failed: ZeroDivisionError: of its own",)


class Proof(Pitfall):
    """A detector that has seen the wiring."""

    family = "data"

    def detect(self, run: Run) -> Iterator[Finding]:
        yield self.finding("There.", confidence=0.9, exact=True)


def test_a_statistic_is_told_with_a_quarter_of_the_odds_and_a_proof_with_its_own() -> None:
    sure = {x.pitfall: x.confidence for x in diagnose(fake_run(), [Loud(), Proof()]).findings}
    assert sure["proof"] == 0.9
    assert sure["loud"] / (1 - sure["loud"]) == pytest.approx(0.9 / 0.1 / 4)


@pytest.mark.parametrize("exact", [True, False])
def test_nothing_is_told_with_more_than_was_ever_measured(exact: bool) -> None:
    found = told(Finding("loud", "There.", confidence=0.999, exact=exact))
    assert found.confidence == 0.95


@pytest.mark.parametrize("key", ["schema", "penlight", "script", "steps", "findings"])
def test_the_json_has_what_the_contract_promises(key: str) -> None:
    assert key in diagnose(fake_run(), [Loud()]).to_json()


def test_an_update_of_the_scripts_own_is_named_in_words() -> None:
    assert Optimizer(type="SGD", lr=0.1).named == "SGD(lr=0.1)"
    own = Optimizer(type="own-update", lr=0.125)
    assert own.named == "the script's own update (0.125 times the gradient)"
    assert Optimizer(type="own-update").named == "the script's own update"


@pytest.mark.parametrize(
    ("end", "optimizers", "learnt", "unlearnt"),
    [
        (2.30, 1, False, True),
        (2.30, 2, False, False),
        (2.30, 1, True, False),
        (0.1, 1, False, False),
    ],
)
def test_a_run_without_an_alarm_may_have_learnt_nothing(
    end: float, optimizers: int, learnt: bool, unlearnt: bool
) -> None:
    goal = replace(objective(), target_learnt=learnt)
    losses = np.linspace(2.303, end, 300).tolist()
    facts: list[Fact] = [
        goal,
        Targets(objective=goal.site, samples=1000, integral=True, classes=(100,) * 10),
        *(Optimizer(index=i, type="SGD", lr=0.1) for i in range(optimizers)),
    ]
    run = fake_run({LOSS: losses, (OBJECTIVE_LOSS, goal.site): losses}, facts)
    assert diagnose(run, []).meta.get("unlearnt", False) is unlearnt
