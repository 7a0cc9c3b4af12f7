"""not-shuffled."""

from __future__ import annotations

from penlight.core.facts import Optimizer, Predictions, Targets
from penlight.core.vocabulary import ACCURACY, BACKWARDS, LOSS
from penlight.pitfalls.not_shuffled import NotShuffled
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"
SAW = ([1.0] * 6 + [0.0] * 2) * 10
MIXED = [0.9, 0.8, 0.95, 0.85] * 20


def said(accuracy, *facts, pure=1.0, classes=(100,) * 5, backwards=1.0, **fields):
    targets = Targets(objective=SITE, classes=classes, sorted_share=pure)
    series = {(ACCURACY, SITE): accuracy, BACKWARDS: {0: backwards}}
    return list(NotShuffled().detect(fake_run(series, [objective(**fields), targets, *facts])))


def test_card():
    assert check_card(NotShuffled()) == []


def test_a_saw():
    (found,) = said(SAW)
    assert found.severity == "critical"
    assert "100% of the training batches" in found.says


def test_classes_lost_when_tested():
    tested = Predictions(
        step=80, samples=500, accuracy=0.3, labels=(100,) * 5, predicted=(0, 0, 0, 50, 450)
    )
    (found,) = said(MIXED, tested)
    assert found.severity == "critical"
    assert "90% of the answers are class 4" in found.evidence[1].says


def test_the_first_batches_of_sorted_data_show_few_classes():
    early = {"classes": (164, 20, 8, 4, 4, 0, 4), "target_shape": (4,)}
    assert said(SAW, **early)
    assert not said(SAW, pure=0.3, **early)
    assert not said(SAW, classes=(970, 30), target_shape=(4,)), "nearly all rows are of one class"


def test_without_harm():
    (found,) = said(MIXED)
    assert found.severity == "note"


def test_a_run_that_fails_on_them():
    """The accuracy was looked at too seldom to see the saw; little was learnt all the same."""
    for loss, severity in ((1.5, "warning"), (0.2, "note")):  # the entropy of five classes is 1.61
        targets = Targets(objective=SITE, classes=(100,) * 5, sorted_share=1.0)
        series = {LOSS: [loss] * 80, (ACCURACY, SITE): MIXED[:4], BACKWARDS: {0: 1.0}}
        facts = [objective(input_shape=(32, 5)), targets]
        (found,) = NotShuffled().detect(fake_run(series, facts))
        assert found.severity == severity


def test_shuffled():
    assert not said(SAW, pure=0.0)


def test_tiny_batches_and_rare_classes_are_pure_by_chance():
    assert not said(SAW, pure=0.9, classes=(950, 50), target_shape=(2,))


def test_accumulated_batches_add_up():
    assert not said(SAW, backwards=5.0)


def test_an_adversary_has_one_label_a_batch():
    assert not said(SAW, Optimizer(type="Adam"), Optimizer(type="Adam", index=1))
