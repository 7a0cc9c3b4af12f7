"""lr-too-high: a failing run that a smaller rate would have saved."""

from __future__ import annotations

import numpy as np

from penlight.core.facts import End, Exam, Fact, Module, Objective, Optimizer, Parameter, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import DEPENDENCE, LOSS, OBJECTIVE_LOSS, UPDATE_RATIO, ZERO_SHARE
from penlight.pitfalls.lr_too_high import LrTooHigh
from penlight.testing import fake_run, objective

CHANCE = 2.3026


def run(
    losses: list[float], *, own: float = 2.4, tenth: float = 1.2, size: float | None = None
) -> Run:
    goal = objective()
    facts: list[Fact] = [
        goal,
        Targets(objective=goal.site, samples=1000, integral=True, classes=(100,) * 10),
        Exam(
            name="rates",
            values={
                "start": CHANCE,
                "x1": own,
                "x0.1": tenth,
                "x10": 9.0,
                "x100": 9.0,
                "steps": 30,
            },
        ),
        Parameter(name="w", shape=(10, 10), std=0.1),
    ]
    series = {LOSS: losses, (OBJECTIVE_LOSS, goal.site): losses}
    if size is not None:
        series[UPDATE_RATIO, "w"] = [size] * 20
    return fake_run(series, facts, optimizer="Adam", lr=0.3)


def with_exam(before: Run, exam: Exam) -> Run:
    """The same run with one more experiment."""
    facts = [x for kind in (Objective, Targets, Exam, Parameter, Optimizer, End)
             for x in before.all(kind)]  # fmt: skip
    return Run(before._series, [*facts, exam])


STUCK = [CHANCE + 0.02 * np.sin(i) for i in range(100)]
LEARNT = [CHANCE * 0.95**i for i in range(100)]


def test_a_stuck_run_that_a_tenth_of_the_rate_would_have_moved() -> None:
    (found,) = LrTooHigh().detect(run(STUCK))
    assert "Adam(lr=0.3)" in found.says
    assert found.severity == "critical"


def test_surer_when_the_steps_are_huge_as_well() -> None:
    (alone,) = LrTooHigh().detect(run(STUCK))
    (both,) = LrTooHigh().detect(run(STUCK, size=0.4))
    assert both.confidence > alone.confidence


def test_weights_that_begin_at_zero_take_no_long_steps() -> None:
    """A table of log-odds under SGD(lr=2): there is no norm yet to compare the first steps with."""
    goal = objective()
    kinds = Targets(objective=goal.site, samples=1000, integral=True, classes=(100,) * 10)
    table = Parameter(name="w", shape=(10, 10), std=0.0)

    def said(first: float) -> int:
        steps = [first, 0.71, 0.40, 0.31, 0.19, 0.14, 0.13, 0.12] + [0.05] * 92
        series = {(OBJECTIVE_LOSS, goal.site): STUCK, LOSS: STUCK, (UPDATE_RATIO, "w"): steps}
        made = fake_run(series, [goal, kinds, table], optimizer="SGD", lr=2.0)
        return len(list(LrTooHigh().detect(made)))

    assert said(0.9) == 1
    assert said(3.3e11) == 0


def test_silent_on_a_run_that_learns_whatever_the_replay_says() -> None:
    assert list(LrTooHigh().detect(run(LEARNT, size=0.4))) == []


def test_silent_when_the_own_rate_is_as_good() -> None:
    assert list(LrTooHigh().detect(run(STUCK, own=1.2))) == []


def test_a_run_that_blew_up_names_the_step() -> None:
    blown = [CHANCE, 4.0, 80.0, 1e4, 1e9, *[float("nan")] * 95, 0.0]
    blown = [CHANCE] * 10 + [4.0, 80.0, 1e4, 1e9] + [float("nan")] * 40
    (found,) = LrTooHigh().detect(run(blown, own=float("nan")))
    assert found.first_step == 14
    assert "non-finite" in found.says


def test_a_few_steps_at_a_tenth_of_the_rate_beat_a_run_that_learnt_a_part() -> None:
    part = [CHANCE * (0.25 + 0.75 * 0.9**i) for i in range(100)]  # ends at three quarters learnt
    (found,) = LrTooHigh().detect(run(part, tenth=0.3))
    assert "30 steps at a tenth of the rate" in found.evidence[0].says
    assert not list(LrTooHigh().detect(run(part, tenth=0.5)))
    assert not list(LrTooHigh().detect(run(part, tenth=0.3, own=0.4)))  # the rate is not the matter


def test_a_run_at_chance_whose_own_rate_goes_uphill() -> None:
    """In 30 steps a deep net gets down a little at a tenth of the rate, and up at its own."""
    assert list(LrTooHigh().detect(run(STUCK, own=2.31, tenth=2.23)))
    assert not list(LrTooHigh().detect(run(STUCK, own=2.29, tenth=2.23)))
    half = [CHANCE * (0.5 + 0.5 * 0.9**i) for i in range(100)]
    assert not list(LrTooHigh().detect(run(half, own=2.31, tenth=2.23)))


def test_the_own_rate_blows_the_loss_up_in_the_replay() -> None:
    """A tenth of it is too high as well."""
    up = [0.6 * 1.1**i for i in range(100)]
    assert list(LrTooHigh().detect(run(up, own=60.0, tenth=30.0)))
    assert not list(LrTooHigh().detect(run(up, own=2.5, tenth=2.4)))


def test_what_was_learnt_is_lost_for_good() -> None:
    lost = [*np.linspace(CHANCE, 1.2, 50), *([1.2] * 50), *([CHANCE] * 100)]

    def found(dealt: float, losses: list[float]) -> bool:
        facts = run(losses, own=1.2, tenth=1.5)
        exam = Exam(name="shuffled", values={"true": CHANCE, "shuffled": dealt})
        return bool(list(LrTooHigh().detect(with_exam(facts, exam))))

    assert found(CHANCE, lost)
    assert not found(CHANCE + 0.5, lost)  # the inputs still count: another task, say
    assert not found(CHANCE, STUCK)  # it never knew anything


def test_uphill_at_both_ends_of_a_run_that_learnt_a_part() -> None:
    part = [CHANCE * (0.3 + 0.7 * 0.9**i) for i in range(100)]
    late = {"start": 0.7, "x1": 1.0, "x0.1": 0.5, "x10": 9.0, "steps": 30}
    early = run(part, own=3.0, tenth=1.5)
    assert not list(LrTooHigh().detect(early))
    assert list(LrTooHigh().detect(with_exam(early, Exam(name="rates_end", values=late))))


def killed(step: float, zeros: list[float]) -> Run:
    """A flat run whose replays found the mean answer at any rate, the longest step, the zeros."""
    goal = objective()
    return fake_run(
        {
            LOSS: STUCK,
            (OBJECTIVE_LOSS, goal.site): STUCK,
            (UPDATE_RATIO, "w"): [0.5 * step, step, *[0.0] * 98],
            (ZERO_SHARE, "fc > relu"): zeros,
        },
        [
            goal,
            Targets(objective=goal.site, samples=1000, integral=True, classes=(100,) * 10),
            Parameter(name="w", shape=(10, 10), std=0.1),
            Exam(name="rates", values={"start": 9.0, "x1": 2.3, "x0.1": 2.3, "steps": 40}),
        ],
        lr=0.1,
    )


def test_units_that_a_step_longer_than_the_weights_has_killed() -> None:
    (found,) = LrTooHigh().detect(killed(40.0, [0.4, 0.7, *[1.0] * 98]))
    assert found.evidence[0].where == "fc > relu"
    assert "until step 2" in found.evidence[0].says
    assert "40.0 times" in found.evidence[0].says


def test_units_that_died_without_long_steps_or_were_never_alive_are_not_the_rates_doing() -> None:
    assert list(LrTooHigh().detect(killed(0.4, [0.4, 0.7, *[1.0] * 98]))) == []
    assert list(LrTooHigh().detect(killed(40.0, [1.0] * 100))) == []
    assert list(LrTooHigh().detect(killed(40.0, [0.4, 0.7, *[1.0] * 50, *[0.6] * 48]))) == []


def numb(heard: list[float], lr_step: float = 0.4, decay: float = 0.0) -> Run:
    """A loss of no known kind that fell a little, and what is left of the input in the outputs."""
    return fake_run(
        {
            LOSS: [0.52, *[0.5] * 99],
            (UPDATE_RATIO, "w"): [lr_step] * 100,
            (DEPENDENCE, "out"): heard,
        },
        [
            Module(name="out", type="Linear"),
            Parameter(name="w", shape=(10, 10), std=0.1),
            Optimizer(type="Adam", lr=0.1, weight_decay=decay),
        ],
    )


def test_outputs_that_long_steps_have_made_one_answer_to_everything() -> None:
    heard = [0.1] * 50 + [1e-5] * 25 + [1e-8] * 25
    (found,) = LrTooHigh().detect(numb(heard))
    assert "one answer to everything" in found.evidence[1].says
    assert not list(LrTooHigh().detect(numb(heard, lr_step=0.01)))
    assert not list(LrTooHigh().detect(numb([0.1] * 50 + [1e-3] * 50)))
    assert not list(LrTooHigh().detect(numb([1e-8] * 100)))
    assert not list(LrTooHigh().detect(numb(heard, decay=0.9)))  # which took the weights


def test_large_targets_may_be_standardised_instead() -> None:
    def edits(std: float) -> list[str]:
        goal = objective("mse_loss", input_shape=(32, 1), target_shape=(32, 1))
        targets = Targets(objective=goal.site, samples=1000, mean=(0.0,), std=(std,))
        losses = [std**2 * 2.0**i for i in range(60)]
        series = {
            LOSS: losses,
            (OBJECTIVE_LOSS, goal.site): losses,
            (UPDATE_RATIO, "w"): [0.5] * 20,
        }
        facts = [goal, targets, Parameter(name="w", shape=(10, 10), std=0.1)]
        (found,) = LrTooHigh().detect(fake_run(series, facts, optimizer="SGD", lr=0.3))
        return [e for p in found.prescriptions for e in p.edits]

    assert edits(300.0)[-1] == "standardise-targets"
    assert "standardise-targets" not in edits(2.0)
