"""no-information-from-input."""

from __future__ import annotations

import math

from penlight.core.facts import Exam, Inputs, Module, Targets
from penlight.core.vocabulary import DEPENDENCE
from penlight.pitfalls.no_information_from_input import NoInformationFromInput
from penlight.testing import check_card, fake_run, objective

VARYING = Targets(objective="cross_entropy@train.py:1", classes=(50, 50), entropy=0.69)


def said(*facts, targets=VARYING, dependence=0.5):
    run = fake_run({(DEPENDENCE, "0"): [0.0, dependence]}, [objective(), targets, *facts])
    return list(NoInformationFromInput().detect(run))


def inputs(constant=64, samples=500, shape=(32, 64)):
    return Inputs(shape=shape, samples=samples, features=64, constant_features=constant)


def exams(own, gap):
    coupling = Exam(name="coupling", values={"own": own, "others": 0.0, "noise": 0.0, "samples": 9})
    return coupling, Exam(name="shuffled", values={"true": 0.7, "shuffled": 0.7 + gap})


def test_card():
    assert check_card(NoInformationFromInput()) == []


def test_constant_inputs():
    (found,) = said(inputs())
    assert found.severity == "critical"
    assert found.exact
    assert "All 500 training inputs" in found.says


def test_some_constant_features_are_common():
    assert not said(inputs(constant=63))


def test_a_single_sample_has_no_spread():
    assert not said(inputs(shape=(1, 64)))
    assert not said(inputs(samples=8))


def test_constant_targets_need_no_input():
    assert not said(inputs(), targets=Targets(objective="mse_loss", std=(0.0,)))


def test_a_deaf_model():
    (found,) = said(*exams(0.0, 0.0), dependence=0.0)
    assert not found.exact
    assert "does not depend on its input" in found.says


def test_a_signal_that_is_lost_on_the_way_is_another_pitfall():
    assert not said(*exams(0.0, 0.0), dependence=0.4)


def test_a_model_that_listens():
    assert not said(*exams(0.2, 0.0), dependence=0.0)
    assert not said(*exams(0.0, 1.0), dependence=0.0)


def test_weights_that_begin_at_zero():
    assert not said(*exams(0.0, 0.0), dependence=0.9)


def test_a_broken_run_proves_nothing():
    assert not said(*exams(0.0, math.nan), dependence=0.0)
    assert not said(*exams(0.0, 0.0), dependence=math.nan)


def reading(after: float, kind: str = "LSTM", step: float = 0.2):
    """A recurrent layer that reacts by `step`, and a head that reacts by `after`."""
    run = fake_run(
        {(DEPENDENCE, "rnn"): [step, step], (DEPENDENCE, "fc"): [after, after]},
        [
            objective(),
            VARYING,
            *exams(own=0.0, gap=0.0),
            Module(name="rnn", type=kind, order=0, output_shape=(32, 60, 16)),
            Module(name="fc", type="Linear", order=1, output_shape=(32, 2)),
        ],
    )
    return list(NoInformationFromInput().detect(run))


def test_a_step_that_has_forgotten_the_input():
    (found,) = reading(after=1e-14)
    assert "rnn after 60 steps" in found.says
    assert not reading(after=1e-3)
    assert not reading(after=1e-14, kind="Linear")  # a network that died on its way


def test_only_the_first_step_is_read():
    def reach(first, rest):
        return Exam(name="reach", values={"first": first, "rest": rest, "length": 12})

    (found,) = said(reach(0.4, 0.0))
    assert "first of 12 steps" in found.says
    assert not said(reach(0.4, 0.01))
    assert not said(reach(0.0, 0.0))  # reads nothing: that is another finding
