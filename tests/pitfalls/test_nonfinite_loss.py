"""nonfinite-loss: where the first NaN was born."""

from __future__ import annotations

import math

from penlight.core.facts import Hygiene, NonFinite
from penlight.core.vocabulary import LOSS, WEIGHT_NORM
from penlight.pitfalls.nonfinite_loss import NonfiniteLoss
from penlight.testing import fake_run

NAN = float("nan")


def test_names_place_operation_step_batch_and_rows() -> None:
    birth = NonFinite(
        step=7, direction="forward", module="head", inside=False, op="Log",
        reason="log of a value that is zero or negative", batch=8, rows=(2, 5), loss_before=0.4,
    )  # fmt: skip
    (found,) = NonfiniteLoss().detect(fake_run({LOSS: [0.5] * 7 + [NAN]}, [birth]))
    assert "step 7" in found.says
    assert "an operation after head (Log)" in found.says
    assert "batch 8, rows 2, 5" in found.evidence[0].says
    assert found.exact


def test_a_clipping_behind_the_step_is_told() -> None:
    def first(late: int) -> str:
        seen = Hygiene(clip_calls=40, clip_late=late)
        birth = NonFinite(step=7, module="head")
        (found,) = NonfiniteLoss().detect(fake_run({LOSS: [0.5] * 7 + [NAN]}, [birth, seen]))
        return found.prescriptions[0].do

    assert "behind the step it changes nothing" in first(38)
    assert "Keep the operation away" in first(0)


def test_tensors_without_a_module_have_no_name() -> None:
    birth = NonFinite(step=0, direction="forward", module="?", inside=False, op="Mean")
    (found,) = NonfiniteLoss().detect(fake_run({}, [birth], steps=0))
    assert (
        found.says == "The first NaN or infinity was born in the forward pass at the loss (Mean)."
    )
    assert found.where == ""


def test_tells_the_backward_pass_from_the_forward_pass() -> None:
    birth = NonFinite(step=3, direction="backward", module="fc", reason="it was not")
    (found,) = NonfiniteLoss().detect(fake_run({LOSS: [0.5] * 4}, [birth]))
    assert "in the backward pass at fc" in found.says


def test_a_loss_that_grew_for_steps_is_an_overflow_and_no_proof_of_an_operation() -> None:
    grown = [10.0**i for i in range(12)]
    birth = NonFinite(step=12, module="fc", op="Addmm")
    (found,) = NonfiniteLoss().detect(fake_run({LOSS: [*grown, NAN]}, [birth]))
    assert not found.exact
    assert any("overflow" in e.says for e in found.evidence)


def test_a_curve_alone_is_enough() -> None:
    (found,) = NonfiniteLoss().detect(fake_run({LOSS: [0.5, 0.4, math.inf]}))
    assert found.first_step == 2


def test_silent_on_finite_runs() -> None:
    run = fake_run({LOSS: [0.5, 0.4], (WEIGHT_NORM, "w"): [1.0, 1e9]})
    assert list(NonfiniteLoss().detect(run)) == []
