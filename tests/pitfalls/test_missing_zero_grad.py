"""missing-zero-grad."""

from __future__ import annotations

from penlight.core.facts import Hygiene, Parameter
from penlight.core.vocabulary import GRAD_NORM
from penlight.pitfalls.missing_zero_grad import MissingZeroGrad
from penlight.testing import check_card, fake_run

WEIGHT = Parameter(name="fc.weight", reached=True, optimised=True)


def said(*facts, series=None):
    return list(MissingZeroGrad().detect(fake_run(series, facts)))


def test_card():
    assert check_card(MissingZeroGrad()) == []


def test_every_step_reuses_gradients():
    seen = Hygiene(steps=100, backwards=100, stale_checks=99, stale_gradients=99, stale_first=1)
    (found,) = said(seen, series={(GRAD_NORM, "fc.weight"): [1.0, 2.0, 40.0]})
    assert found.severity == "critical"
    assert found.exact
    assert found.first_step == 1
    assert "99 of 100 steps" in found.says
    assert "40-fold" in found.evidence[1].says


def test_accumulation_that_is_never_cleared():
    seen = Hygiene(steps=30, backwards=240, stale_checks=232, stale_gradients=29, stale_first=1)
    assert said(seen)[0].severity == "critical"


def test_accumulation_that_is_cleared():
    assert not said(Hygiene(steps=30, backwards=240, stale_checks=29))


def test_a_rare_leftover_is_a_note():
    seen = Hygiene(steps=100, backwards=100, stale_checks=99, stale_gradients=4, stale_first=20)
    assert said(seen)[0].severity == "note"


def test_cleared_between_backward_and_step():
    seen = Hygiene(steps=50, backwards=50, empty_steps=50)
    (found,) = said(seen, WEIGHT)
    assert "between backward() and step()" in found.says
    assert "Move" in found.prescriptions[0].do


def test_empty_steps_of_another_cause():
    seen = Hygiene(steps=50, backwards=50, empty_steps=50)
    assert not said(seen, Parameter(name="fc.weight", reached=False, optimised=True))
    assert not said(seen)
    assert not said(Hygiene(steps=50, backwards=50, empty_steps=3), WEIGHT)


def test_nothing_known():
    assert not said()


def test_a_second_training_that_forgets_it():
    first = {"stale_checks": 598, "stale_gradients": 298, "stale_first": 302}
    (found,) = said(Hygiene(steps=600, backwards=600, stale_later=297, **first))
    assert (found.severity, found.exact, found.first_step) == ("critical", True, 302)
    assert "in 298 of the 298 steps from step 302 on, backward()" in found.says
    (found,) = said(
        Hygiene(steps=600, backwards=600, stale_later=297, **first | {"stale_gradients": 9})
    )
    assert found.severity == "note"
