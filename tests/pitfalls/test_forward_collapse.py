"""forward-collapse: all inputs alike by degrees, in a run that learns nothing."""

from __future__ import annotations

from collections.abc import Sequence

from penlight.core.facts import Parameter, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import DEPENDENCE, LOSS, OUTPUT_GRAD, ZERO_SHARE
from penlight.diagnosis import diagnose
from penlight.pitfalls.forward_collapse import ForwardCollapse
from penlight.pitfalls.vanishing_gradient import VanishingGradient
from penlight.testing import check_card, fake_run, objective, stack

STUCK = [1.39] * 100
LEARNS = [1.39 - 0.013 * i for i in range(100)]
FOURS = Targets("cross_entropy@train.py:1", samples=100, classes=(25, 25, 25, 25), entropy=1.386)
FADING = [0.5, 1e-2, 1e-4, 1e-6, 1e-9, 1e-12, 1e-12]


def run_of(
    dependence: Sequence[float],
    loss: Sequence[float] = STUCK,
    optimizer: str = "Adam",
    light: float = 1.0,
    zeros: float = 0.5,
) -> Run:
    """A stack of Linear layers with the given dependence on the input at each."""
    last = len(dependence) - 1
    series = {(DEPENDENCE, str(i)): [x] * 20 for i, x in enumerate(dependence)}
    series |= {(OUTPUT_GRAD, str(i)): [light ** (last - i)] * 20 for i in range(last + 1)}
    return fake_run(
        {LOSS: loss, **series, (ZERO_SHARE, "3 > relu"): [zeros] * 20},
        [
            *stack(*["Linear"] * len(dependence)),
            *(
                Parameter(f"{i}.weight", (64, 64), module=str(i), module_type="Linear", root="Net")
                for i in range(len(dependence))
            ),
            objective(input_shape=(32, 4), first_loss=1.39),
            FOURS,
        ],
        optimizer=optimizer,
    )


def test_convicts_a_collapse_under_adam() -> None:
    [found] = ForwardCollapse().detect(run_of(FADING))
    assert found.severity == "critical"
    assert found.where == "5"
    assert "1.0e-12, at 0 it was 5.0e-01" in found.says


def test_where_the_light_fades_too_it_is_a_symptom() -> None:
    run = run_of(FADING, optimizer="SGD", light=0.1)
    findings = diagnose(run, [ForwardCollapse(), VanishingGradient()]).findings
    assert [(f.pitfall, f.role) for f in findings] == [
        ("vanishing-gradient", "cause"),
        ("forward-collapse", "symptom"),
    ]


def test_a_run_that_learns_is_healthy() -> None:
    assert not list(ForwardCollapse().detect(run_of(FADING, LEARNS)))


def test_an_input_that_never_varied_is_no_collapse() -> None:
    assert not list(ForwardCollapse().detect(run_of([1e-9] * 7)))


def test_dead_layers_are_another_pitfall() -> None:
    assert not list(ForwardCollapse().detect(run_of(FADING, zeros=1.0)))


def test_a_last_layer_of_zeros_is_fine() -> None:
    assert not list(ForwardCollapse().detect(run_of([0.5, 0.4, 0.4, 0.3, 0.3, 0.3, 0.0])))


def test_copes_with_an_empty_run() -> None:
    assert not list(ForwardCollapse().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(ForwardCollapse())
