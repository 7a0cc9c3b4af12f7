"""init-loss-off: a first loss far above guessing, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penlight.core.facts import Targets
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.init_loss_off import InitLossOff
from penlight.testing import check_card, fake_run, objective

TENS = Targets("cross_entropy@train.py:1", samples=1000, classes=(100,) * 10, entropy=2.3026)


def run_of(loss: Sequence[float], variance: float = 1.0) -> Run:
    facts = [objective(first_loss=loss[0], first_logit_var=variance, source="train.py:1"), TENS]
    return fake_run({LOSS: loss}, facts)


def falling(start: float, end: float, steps: int = 200, half_life: float = 5) -> list[float]:
    return list(end + (start - end) * 0.5 ** (np.arange(steps) / half_life))


def test_critical_when_the_loss_never_comes_down() -> None:
    [found] = InitLossOff().detect(run_of(falling(3860, 8.2), variance=1.1e7))
    assert found.severity == "critical"
    assert found.where == "cross_entropy@train.py:1"
    assert "begins at 3.86e+03, 1676 times that of guessing (2.3)" in found.says
    assert "never came down" in found.evidence[1].says


def test_warning_when_a_good_part_of_the_run_is_lost() -> None:
    [found] = InitLossOff().detect(run_of(falling(60, 0.3, half_life=12)))
    assert found.severity == "warning"


def test_note_when_it_is_put_right_at_once() -> None:
    [found] = InitLossOff().detect(run_of(falling(12, 0.3, half_life=2)))
    assert found.severity == "note"


def test_silent_for_he_weights_and_for_pretrained_models() -> None:
    assert not list(InitLossOff().detect(run_of(falling(4.7, 0.02))))
    assert not list(InitLossOff().detect(run_of(falling(0.4, 0.02))))


def test_regression_compares_with_the_size_of_the_targets() -> None:
    def run(first: float) -> Run:
        site = objective("mse_loss", input_shape=(32, 1), target_shape=(32, 1), first_loss=first)
        targets = Targets("mse_loss@train.py:1", samples=100, mean=(0.0,), std=(1.0,))
        return fake_run({LOSS: [first] * 100}, [site, targets])

    assert [f.severity for f in InitLossOff().detect(run(900.0))] == ["critical"]
    assert not list(InitLossOff().detect(run(1.3)))


def test_copes_with_an_empty_run() -> None:
    assert not list(InitLossOff().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(InitLossOff())
