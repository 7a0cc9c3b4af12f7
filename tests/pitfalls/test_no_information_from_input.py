"""no-information-from-input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penlight.core.facts import Exam, Inputs, Module, Targets
from penlight.core.vocabulary import DEPENDENCE, LOSS
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


def masked(own=0.0, tenfold=0.7, kind="MultiheadAttention"):
    rates = Exam(
        name="rates", values={"start": 0.7, "lr": 0.1, "x1": 0.7, "x10": tenfold, "steps": 9}
    )
    return said(*exams(own, 0.0), rates, Module(name="0", type=kind))


def test_an_attention_that_sees_the_padding_alone():
    (found,) = masked()
    assert "Nothing of the input comes through the attention" in found.says
    assert "True means may be seen" in found.prescriptions[0].do
    assert not masked(own=0.2)
    assert not masked(tenfold=0.5)  # another rate moves it: a layer may begin with zeros
    assert not masked(kind="Linear")


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


def condition(learnt=True, **changed):
    """A generative model whose labels were left behind, but for what is `changed`."""
    values = {"batches": 12, "rows": 768, "width": 64}
    argument = {
        "own": 0.412,
        "dealt": 0.4122,
        "change": 0.0002,
        "error": 0.0003,
        "t": 0.67,
        "moved": 0.1,
        "another": 0.9,
        "integral": True,
        "classes": 10,
        "lowest": 0,
        "fewest": 60,
        "told": 0.5,
    }
    dealt = {"true": 0.412, "shuffled": 1.5, "rebuilt": False}
    for known in (values, argument, dealt):
        known.update({k: v for k, v in changed.items() if k in known})
    targets = Targets(objective="mse_loss@train.py:1", mean=(0.0,) * 64, std=(1.0,) * 64)
    end = 0.412 if learnt else 0.99
    run = fake_run(
        {LOSS: np.geomspace(1.2, end, 100)},
        [
            objective("mse_loss", input_shape=(64, 64), target_shape=(64, 64)),
            targets,
            Exam(name="conditions", step=100, values={**values, "arguments": {"y": argument}}),
            Exam(name="shuffled", values=dealt),
        ],
    )
    return list(NoInformationFromInput().detect(run))


def test_a_condition_of_other_rows():
    (found,) = condition()
    assert found.severity == "warning"
    assert found.says == (
        "The model is given y beside its rows, and it tells nothing: dealt to other rows the loss "
        "stays the same (0.412 and 0.412)."
    )
    assert "belong to its row" in found.prescriptions[0].do
    assert condition(t=0.0, change=0.0, error=0.0, moved=0.0)  # and is not read, either


@pytest.mark.parametrize(
    "changed",
    [
        {"t": 4.0},
        {"t": -4.0},  # foreign ones are better: whatever that is, it is another story
        {"error": 0.003},  # too uncertain
        {"change": 0.003},
        {"error": math.nan},
        {"told": 40.0},  # it is in order
        {"told": math.nan},
        {"another": 0.1},
        {"integral": False},
        {"classes": 400},
        {"lowest": 1},  # lengths
        {"batches": 9},
        {"rows": 200},
        {"width": 0},  # the targets are classes
        {"width": 1},
        {"rebuilt": True},
        {"shuffled": 0.42},  # nothing else is read, either
        {"shuffled": 90.0},  # there is nothing left to tell
        {"learnt": False},
    ],
)
def test_a_condition_may_be_in_order(changed):
    assert not condition(**changed)
