"""vanishing-gradient: dim light convicts only where the optimiser cannot make up for it."""

from __future__ import annotations

from collections.abc import Sequence

from penlight.core.facts import Optimizer, Parameter, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import DEPENDENCE, GRAD_NORM, LOSS, OUTPUT_GRAD, TRAVEL
from penlight.pitfalls.vanishing_gradient import VanishingGradient
from penlight.testing import check_card, fake_run, objective, stack

STUCK = [1.39] * 100
LEARNS = [1.39 - 0.013 * i for i in range(100)]
FOURS = Targets("cross_entropy@train.py:1", samples=100, classes=(25, 25, 25, 25), entropy=1.386)


def run_of(
    light: Sequence[float],
    loss: Sequence[float] = STUCK,
    optimizer: str = "SGD",
    gradient: float = 1e-3,
    dependence: float = 0.3,
    bias: float = 1e-3,
) -> Run:
    """A stack of Linear layers with the given light at each, from input to output."""
    series = {(OUTPUT_GRAD, str(i)): [0.1 * x] * 20 for i, x in enumerate(light)}
    series |= {(DEPENDENCE, str(i)): [dependence] * 20 for i in range(len(light))}
    series |= {(GRAD_NORM, "0.weight"): [gradient * 64] * 20, (TRAVEL, "0.weight"): [1e-5] * 20}
    series |= {(GRAD_NORM, f"{i}.bias"): [bias] * 20 for i in range(len(light))}
    return fake_run(
        {LOSS: loss, **series},
        [
            *stack(*["Linear"] * len(light)),
            *(
                Parameter(f"{i}.weight", (64, 64), module=str(i), module_type="Linear", root="Net")
                for i in range(len(light))
            ),
            objective(input_shape=(32, 4), first_loss=1.39),
            FOURS,
            Optimizer(type=optimizer, lr=0.01, eps=0.0 if optimizer == "SGD" else 1e-8),
        ],
    )


FADING = [10.0**-k for k in range(7, -1, -1)]


def test_convicts_a_fading_stack_under_sgd() -> None:
    [found] = VanishingGradient().detect(run_of(FADING))
    assert found.severity == "critical"
    assert found.where == "0"
    assert found.first_step == 0
    assert "1.0e-07 of the learning signal reaches 0" in found.says
    assert "10%" in found.says
    assert [e.signal for e in found.evidence] == ["light", "travel"]


def test_a_run_that_learns_is_healthy() -> None:
    assert not list(VanishingGradient().detect(run_of(FADING, LEARNS)))


def test_bright_light_is_silent() -> None:
    assert not list(VanishingGradient().detect(run_of([1.3, 1.2, 0.9, 1.1, 1.0, 1.0])))


def test_biases_without_gradient_in_front_of_a_norm_are_silent() -> None:
    """docs/decisions/0007: batch norm takes the bias out, its gradient is rounding."""
    assert not list(VanishingGradient().detect(run_of([1.3, 1.2, 0.9, 1.1, 1.0, 1.0], bias=1e-11)))


def test_adam_makes_up_for_dim_light() -> None:
    assert not list(VanishingGradient().detect(run_of(FADING, optimizer="Adam")))


def test_adam_cannot_make_up_for_gradients_below_its_epsilon() -> None:
    [found] = VanishingGradient().detect(run_of(FADING, optimizer="Adam", gradient=1e-11))
    assert found.severity == "critical"
    assert "epsilon of 1e-08" in found.says


def test_adam_cannot_make_up_for_a_collapsed_forward_signal() -> None:
    [found] = VanishingGradient().detect(run_of(FADING, optimizer="Adam", dependence=1e-12))
    assert found.severity == "critical"
    assert "the inputs have become all alike, too" in found.says
    [found] = VanishingGradient().detect(run_of(FADING, optimizer="Adam", dependence=1e-8))
    assert found.severity == "warning"


def test_one_cut_is_no_vanishing() -> None:
    assert not list(VanishingGradient().detect(run_of([1e-6, 1e-6, 1e-6, 1.0, 1.0, 1.0])))


def test_copes_with_an_empty_run() -> None:
    assert not list(VanishingGradient().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(VanishingGradient())
