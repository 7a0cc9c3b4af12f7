"""lr-too-low: all layers crawl and the fall is in proportion to the rate."""

from __future__ import annotations

from penlight.core.facts import Exam, Fact, Parameter, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, LR, OBJECTIVE_LOSS, TRAVEL, UPDATE_RATIO
from penlight.pitfalls.lr_too_low import LrTooLow
from penlight.testing import fake_run, objective

SLOW = [2.3 - 0.0005 * i for i in range(200)]
FAST = [2.3 * 0.95**i for i in range(200)]


def run(
    losses: list[float],
    *,
    tenfold: float = 2.2,
    hundredfold: float = 1.5,
    own: float = 2.29,
    rate: float = 1e-5,
    size: float = 2e-5,
    travel: float = 0.004,
    lr: dict[int, float] | None = None,
    exam: bool = True,
    std: float = 0.1,
    registered: bool = True,
) -> Run:
    goal = objective()
    values = {"start": 2.3, "x1": own, "x0.1": 2.299, "x10": tenfold}
    values |= {"x100": hundredfold, "steps": 30}
    facts: list[Fact] = [
        goal,
        Targets(objective=goal.site, samples=1000, integral=True, classes=(100,) * 10),
        Parameter(name="w", shape=(10, 10), std=std, registered=registered),
    ]
    if exam:
        facts.append(Exam(name="rates", values=values))
    series = {
        LOSS: losses,
        (OBJECTIVE_LOSS, goal.site): losses,
        (UPDATE_RATIO, "w"): [size] * 200,
        (TRAVEL, "w"): [travel * i / 200 for i in range(201)],
        LR: lr or {0: rate},
    }
    return fake_run(series, facts, lr=rate)


def test_a_crawling_run_that_ten_times_the_rate_would_speed_up() -> None:
    (found,) = LrTooLow().detect(run(SLOW))
    assert "SGD(lr=1e-05)" in found.says
    assert [e.signal for e in found.evidence] == ["rates", "update_ratio", "travel"]


def test_less_sure_where_nothing_could_be_replayed() -> None:
    (found,) = LrTooLow().detect(run(SLOW, exam=False))
    assert found.severity == "warning"
    assert list(LrTooLow().detect(run(SLOW, exam=False, size=2e-4))) == []


def test_silent_when_a_higher_rate_does_not_help() -> None:
    assert list(LrTooLow().detect(run(SLOW, tenfold=2.29))) == []


def test_a_replay_none_of_whose_rates_was_a_usual_one_says_nothing() -> None:
    (found,) = LrTooLow().detect(run(SLOW, tenfold=2.29, hundredfold=2.29, size=2e-6))
    assert found.severity == "warning"
    usual = run(SLOW, tenfold=2.29, hundredfold=2.29, size=2e-6, rate=0.1)
    assert list(LrTooLow().detect(usual)) == [], "the gradient is small, not the rate"


def test_silent_on_a_run_that_learns() -> None:
    assert list(LrTooLow().detect(run(FAST))) == []


def test_silent_when_the_weights_have_moved() -> None:
    assert list(LrTooLow().detect(run(SLOW, travel=0.5))) == []


def test_silent_when_single_steps_are_of_usual_size() -> None:
    assert list(LrTooLow().detect(run(SLOW, size=1e-3))) == []


def test_the_first_rate_of_a_warmup_says_nothing() -> None:
    assert list(LrTooLow().detect(run(SLOW, lr={0: 1e-7, 50: 1e-3}, size=2e-4))) == []


def test_proportional_at_the_end_of_the_run_is_proof_enough() -> None:
    values = {"start": 2.2, "x1": 2.19, "x0.1": 2.199, "x10": 2.1, "x100": 1.2, "steps": 30}
    late = run(SLOW, tenfold=2.28)
    late = type(late)(late._series, [*late.facts, Exam(name="rates_end", values=values)])
    (found,) = LrTooLow().detect(late)
    assert "replayed from the end" in found.evidence[0].says


def test_a_few_steps_at_ten_times_the_rate_beat_the_whole_run() -> None:
    """Whatever the weights have moved and the accuracy says."""
    bent = [2.3 - 0.8 * i / 200 for i in range(200)]
    (found,) = LrTooLow().detect(run(bent, tenfold=0.8, travel=0.5, size=1e-3))
    assert "30 steps at a higher rate got further" in found.says
    assert not list(
        LrTooLow().detect(run(bent, tenfold=1.0, travel=0.5, size=1e-3))
    )  # hardly ahead
    assert not list(LrTooLow().detect(run(bent[:50], tenfold=0.8, travel=0.5)))  # a short run
    above = [x + 9 for x in bent]  # raw inputs: every rate gets further
    assert not list(LrTooLow().detect(run(above, tenfold=0.8, travel=0.5, size=1e-3)))


def test_bare_tensors_count_although_their_start_is_unknown() -> None:
    assert list(LrTooLow().detect(run(SLOW, exam=False, std=0.0, registered=False)))
    assert not list(LrTooLow().detect(run(SLOW, exam=False, std=0.0)))


def test_a_loss_that_stands_still_however_far_the_weights_go() -> None:
    """Embeddings that begin near zero: their product hardly moves while they do."""
    flat = [2.3 - 1e-7 * i for i in range(400)]
    still = {"travel": 0.5, "size": 1e-3, "rate": 0.01}
    (found,) = LrTooLow().detect(
        run(flat, tenfold=2.29999, hundredfold=2.2995, own=2.299999, **still)
    )
    assert "in proportion to the rate" in found.says
    assert "at a hundred times" in found.evidence[0].says
    # Another rate gets no further, or the fall is rounding.
    assert not list(
        LrTooLow().detect(run(flat, tenfold=2.2995, hundredfold=2.2995, own=2.2999, **still))
    )
    lost = run(flat, tenfold=2.3 - 3e-7, hundredfold=2.3 - 1e-6, own=2.3, **still)
    assert not list(LrTooLow().detect(lost))
    short = run(flat[:200], tenfold=2.29999, hundredfold=2.2995, own=2.299999, **still)
    assert not list(LrTooLow().detect(short)), "it had no time"
