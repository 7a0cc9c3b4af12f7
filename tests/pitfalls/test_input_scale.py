"""input-scale: raw inputs that hurt, and the many that do not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from penlight.core.facts import Exam, Inputs, Parameter, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import ACT_RMS, LOSS, OUTPUT_GRAD, SATURATED_SHARE
from penlight.pitfalls.input_scale import InputScale
from penlight.testing import check_card, fake_run, objective, stack

STUCK = [0.69] * 100
PARTLY = [0.69] * 20 + [0.5] * 80
LEARNS = [0.69 - 0.0065 * i for i in range(100)]
PAIR = Targets("cross_entropy@train.py:1", samples=100, classes=(50, 50), entropy=0.693)


def table(**fields: object) -> Inputs:
    """A standardised table with the given differences."""
    values = {
        "root": "model",
        "shape": (32, 9),
        "dtype": "float32",
        "samples": 1000,
        "features": 9,
        "min": -3.0,
        "max": 3.0,
        "std": 1.0,
        "std_ratio": 1.2,
        "max_offset": 0.1,
        "largest_feature_std": 1.0,
        "largest_feature_rms": 1.0,
    } | fields
    return Inputs(**values)  # type: ignore[arg-type]  # checked by the dataclass


RAW = table(min=0, max=57_600, std_ratio=5400.0, max_offset=6.4, largest_feature_rms=42_000.0)
PIXELS = table(shape=(32, 1, 28, 28), min=0, max=255, std_ratio=1.0, largest_feature_rms=79.0)


def run_of(inputs: Inputs, loss: Sequence[float] = STUCK, first: float = 190.0) -> Run:
    return fake_run({LOSS: loss}, [objective(input_shape=(32, 2), first_loss=first), PAIR, inputs])


@pytest.mark.parametrize("inputs", [RAW, PIXELS])
def test_convicts_raw_inputs_in_a_run_that_fails(inputs: Inputs) -> None:
    [found] = InputScale().detect(run_of(inputs))
    assert found.severity == "critical"
    assert found.where == "model"


def test_says_what_is_wrong() -> None:
    [found] = InputScale().detect(run_of(RAW))
    assert "one feature spreads 5.4e+03 times as far as another" in found.says
    assert "they reach from 0 to 5.76e+04" in found.evidence[1].says


def test_pixels_scaled_twice() -> None:
    [found] = InputScale().detect(run_of(table(min=0, max=0.004, largest_feature_rms=0.0012)))
    assert "they are tiny, 0.0012" in found.says


def test_pixels_scaled_again_inside_the_model() -> None:
    run = fake_run(
        {
            LOSS: STUCK,
            (ACT_RMS, "0"): [0.0007] * 9,
            (OUTPUT_GRAD, "0"): [0.1] * 9,
            (OUTPUT_GRAD, "1"): [0.1] * 9,
        },
        [
            *stack("Conv2d", "Linear"),
            Parameter("0.weight", (8, 1, 5, 5), module="0", root="Net", std=0.115),
            Parameter("1.weight", (2, 64), module="1", root="Net", std=0.1),
            objective(input_shape=(32, 2)),
            PAIR,
            table(min=0, max=1, largest_feature_rms=0.3),
        ],
    )
    [found] = InputScale().detect(run)
    assert found.where == "0"
    assert "they are tiny, 0.0012, to judge by the output of 0, 0.0007" in found.says


def test_a_run_that_copes_gets_a_note() -> None:
    [found] = InputScale().detect(run_of(RAW, LEARNS))
    assert found.severity == "note"
    assert "copes" in found.says


def test_absurd_inputs_are_charged_although_the_run_copes() -> None:
    [found] = InputScale().detect(run_of(table(largest_feature_rms=4e8), LEARNS))
    assert found.severity == "warning"
    [calm] = InputScale().detect(run_of(table(largest_feature_rms=4e8), LEARNS, first=0.7))
    assert calm.severity == "note"


def test_raw_inputs_of_a_run_that_learns_nothing_are_a_suspicion_without_a_sign() -> None:
    [found] = InputScale().detect(run_of(RAW, first=0.8))
    [sure] = InputScale().detect(run_of(RAW))
    assert found.severity == "warning"
    assert found.confidence < sure.confidence
    halfway = [0.69 - 0.0035 * i for i in range(100)]
    [note] = InputScale().detect(run_of(PIXELS, halfway, first=0.8))
    assert note.severity == "note"


def test_saturated_units_are_a_sign_of_harm() -> None:
    facts = [objective(input_shape=(32, 2), first_loss=0.8), PAIR, RAW]
    [found] = InputScale().detect(fake_run({LOSS: STUCK, (SATURATED_SHARE, "1"): [0.9] * 9}, facts))
    assert found.severity == "critical"


def test_a_run_that_learnt_a_part_is_charged_only_for_wild_scales() -> None:
    assert [f.severity for f in InputScale().detect(run_of(RAW, PARTLY))] == ["warning"]
    mild = table(min=3, max=28, std_ratio=1.2, largest_feature_rms=15.1)
    assert [f.severity for f in InputScale().detect(run_of(mild, PARTLY))] == ["note"]


@pytest.mark.parametrize(
    "inputs",
    [
        table(),
        table(min=0, max=1, integral=True, max_offset=31.0, std_ratio=700.0),
        table(min=0, max=1, largest_feature_rms=0.69, std_ratio=753.0),
        table(min=0, max=30_000, largest_feature_rms=9000.0, embedded=True),
        table(min=0, max=255, largest_feature_rms=79.0, normalised_first=True),
    ],
    ids=["standardised", "one-hot", "pixels in [0, 1]", "ids", "norm first"],
)
def test_silent_on_sound_inputs(inputs: Inputs) -> None:
    assert not list(InputScale().detect(run_of(inputs)))


def test_copes_with_an_empty_run() -> None:
    assert not list(InputScale().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(InputScale())


@pytest.mark.parametrize(
    ("end", "fires"),
    [(0.1, True), (0.3, False), (float("nan"), False)],
)
def test_standardised_inputs_get_further_in_a_few_steps(end, fires):
    """The run copes so far that its curve alone does not convict."""
    halfway = [0.69 - 0.0035 * i for i in range(100)]  # ends at 0.34
    facts = [objective(input_shape=(32, 2), first_loss=0.7), PAIR, RAW]
    replayed = Exam(name="scaled", values={"start": 0.69, "end": end, "steps": 40})
    (plain,) = InputScale().detect(fake_run({LOSS: halfway}, facts))
    (found,) = InputScale().detect(fake_run({LOSS: halfway}, [*facts, replayed]))
    assert plain.severity == "note"
    assert (found.severity == "warning") is fires


def test_standardised_inputs_get_there_in_an_eighth_of_the_steps():
    slow = [0.69 - 0.0005 * i for i in range(500)]  # ends at 0.44
    facts = [objective(input_shape=(32, 2), first_loss=0.7), PAIR, RAW]

    def said(end: float) -> str:
        exam = Exam(name="scaled", values={"start": 0.69, "end": end, "steps": 40})
        (found,) = InputScale().detect(fake_run({LOSS: slow}, [*facts, exam]))
        return found.severity

    assert said(0.5) == "warning"  # the run was there after 380 steps
    assert said(0.6) == "note"  # after 180
