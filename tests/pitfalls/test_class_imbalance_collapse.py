"""class-imbalance-collapse."""

from __future__ import annotations

from penlight.core.facts import Exam, Inputs, Module, Predictions, Targets
from penlight.core.vocabulary import LOSS
from penlight.pitfalls.class_imbalance_collapse import ClassImbalanceCollapse
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"


def said(
    labels, predicted, correct, loss=0.1, phase="eval", step=100, shown=None, fed=(), **fields
):
    seen = Predictions(
        phase=phase, objective=SITE, step=step, samples=sum(labels),
        labels=labels, predicted=predicted, correct=correct,
    )  # fmt: skip
    windows = [seen] if phase == "eval" else [seen, seen]
    targets = Targets(objective=SITE, samples=sum(labels), classes=shown or labels)
    shape = (50, len(labels))
    facts = [objective(input_shape=shape, **fields), targets, *windows]
    run = fake_run({LOSS: [loss] * 100}, [*facts, *([Inputs(shape=fed)] if fed else [])])
    return list(ClassImbalanceCollapse().detect(run))


def test_card():
    assert check_card(ClassImbalanceCollapse()) == []


def test_only_the_majority():
    (found,) = said((970, 30), (1000, 0), (970, 0))
    assert found.severity == "warning"
    assert "97.0%" in found.says
    assert "all 30 others" in found.says


def test_a_pass_of_the_first_half_when_nothing_has_changed_since():
    """Later passes of a short run were not looked at; what the trained model answers is known."""

    def at_the_end(accuracy):
        values = {"accuracy": accuracy, "majority": 0.97}
        seen = Predictions(
            phase="eval", objective=SITE, step=40, samples=1000,
            labels=(970, 30), predicted=(1000, 0), correct=(970, 0),
        )  # fmt: skip
        facts = [objective(input_shape=(50, 2)), seen, Exam(name="shuffled", values=values)]
        targets = Targets(objective=SITE, samples=1000, classes=(970, 30))
        run = fake_run({LOSS: [0.1] * 100}, [*facts, targets])
        return list(ClassImbalanceCollapse().detect(run))

    assert at_the_end(0.97)
    assert not at_the_end(0.985)


def test_in_training_windows():
    (found,) = said((970, 30), (1000, 0), (970, 0), phase="train")
    assert "training samples" in found.says


def test_looks_that_end_when_the_run_has_hardly_begun_say_nothing():
    assert not said((970, 30), (1000, 0), (970, 0), phase="train", step=20)


def pixels(*later):
    """Looks at masks of three classes; of the rare one none is recognised."""
    seen = [
        Predictions(
            phase="train", objective=SITE, step=60 + i, samples=1000,
            labels=labels, predicted=(900, 100, 0), correct=(880, 90, 0),
        )
        for i, labels in enumerate(later)
    ]  # fmt: skip
    mask = objective(input_shape=(8, 3, 24, 24), target_shape=(8, 24, 24))
    run = fake_run({LOSS: [0.1] * 100}, [mask, *seen])
    return list(ClassImbalanceCollapse().detect(run))


def test_pixels_of_one_picture_are_one_object():
    without, with_ = (895, 105, 0), (875, 105, 20)
    assert pixels(with_, with_, with_, without)
    assert not pixels(without, with_, without, with_)


def test_nothing_learnt_yet_is_a_note():
    (found,) = said((970, 30), (1000, 0), (970, 0), loss=0.1347)
    assert found.severity == "note"


def test_a_mask_of_background_alone():
    """Of wide targets only the first columns are kept, so the loss of a guess is not known."""
    site = "binary_cross_entropy_with_logits@train.py:1"
    mask = objective(
        "binary_cross_entropy_with_logits",
        input_shape=(20, 1, 24, 24), target_shape=(20, 1, 24, 24), target_dtype="float32",
    )  # fmt: skip
    facts = [
        mask,
        Targets(objective=site, samples=11520, integral=True, max=1.0, mean=(0.0,) * 64),
        Predictions(
            phase="eval", objective=site, step=100, samples=57600,
            labels=(56600, 1000), predicted=(57600, 0), correct=(56600, 0),
        ),
    ]  # fmt: skip
    for loss, severity in ((0.05, "warning"), (0.087, "note")):  # the entropy is 0.0876
        (found,) = ClassImbalanceCollapse().detect(fake_run({LOSS: [loss] * 100}, facts))
        assert found.severity == severity


def test_balanced_classes_have_other_causes():
    assert not said((500, 500), (1000, 0), (500, 0), loss=0.5)


def test_weighted_losses_are_left_alone():
    assert not said((970, 30), (1000, 0), (970, 0), weighted=True)


def test_rare_classes_among_many():
    (found,) = said((500, 250, 240, 8, 4), (505, 250, 247, 0, 0), (495, 240, 235, 0, 0))
    assert found.severity == "warning"
    assert "Classes 3, 4" in found.says


def test_rare_classes_that_are_found():
    assert not said((500, 250, 240, 8, 4), (500, 250, 240, 8, 4), (495, 240, 235, 3, 1))


def test_a_balanced_test_set_behind_a_training_set_that_is_not():
    balanced, told, right = (50, 50, 50, 50), (70, 80, 50, 0), (48, 47, 20, 0)
    (found,) = said(balanced, told, right, shown=(500, 250, 12, 3))
    assert "Class 3 never recognised" in found.says
    assert "held 3 of it and 500 of class 0" in found.says
    assert not said(balanced, told, right, shown=(500, 480, 510, 490)), "it has another cause"
    assert not said(balanced, told, right, shown=(500, 250, 12, 0)), "padding, or a new class"
    assert not said(balanced, told, right, phase="train", shown=(500, 250, 12, 3))


def test_early_training():
    assert not said((500, 250, 240, 8, 4), (900, 50, 52, 0, 0), (480, 20, 20, 0, 0))


def test_words():
    labels = (5000, *(10,) * 200)
    assert not said(labels, (7000, *(0,) * 200), (5000, *(0,) * 200))


def test_an_old_pass_says_nothing():
    assert not said((970, 30), (1000, 0), (970, 0), step=10)


def test_a_rare_class_that_is_hardly_ever_named():
    (found,) = said((940, 60), (995, 5), (938, 3))
    assert "57 of 60 others are missed" in found.says
    assert not said((940, 60), (975, 25), (938, 20))  # one in three is found
    assert not said((985, 15), (999, 1), (985, 1))  # too few to tell


def test_the_tokens_of_a_language_model_may_be_rare():
    names = tuple(range(12))
    labels, correct = (*[900] * 4, *[9] * 8), (*[850] * 4, *[0] * 8)
    predicted = (*[918] * 4, *[0] * 8)
    assert said(labels, predicted, correct)

    def told(tokens):
        table = Module(name="embed", type="Embedding", settings={"num_embeddings": tokens})
        seen = Predictions(
            phase="eval", objective=SITE, step=100, samples=sum(labels),
            labels=labels, predicted=predicted, correct=correct,
        )  # fmt: skip
        facts = [objective(input_shape=(50, len(names))), table, seen]
        facts.append(Targets(objective=SITE, samples=sum(labels), classes=labels))
        run = fake_run({LOSS: [0.1] * 100}, facts)
        return list(ClassImbalanceCollapse().detect(run))

    assert told(500)
    assert not told(len(names))


def turned(weights, shown=(920, 80), correct=(920, 0)):
    return said(
        (200, 40), (240, 0), correct, shown=shown, phase="eval", weighted=True, weights=weights
    )


def test_weights_that_are_turned_around():
    (found,) = turned((0.92, 0.08))
    assert found.severity == "warning"
    assert "class 1, 8.0% of the training rows, weighs 0.08 in the loss" in found.says
    assert (
        "11.5 times as frequent as class 1 and weighs 11.5 times as much" in found.evidence[0].says
    )
    assert found.prescriptions[0].edits == ("class-weights",)
    (found,) = turned((0.6, 0.3, 0.1), shown=(600, 300, 100))
    assert "class 2" in found.says


def test_weights_that_are_right_or_do_not_matter():
    assert not turned((0.08, 0.92))
    assert not turned((1.0, 1.0))
    assert not turned((0.92, 0.08), shown=(600, 400))  # hardly imbalanced
    assert not turned((1.0, 0.0))  # a class that is left out on purpose
    assert not turned((0.92, 0.08), correct=(200, 38))  # the rare class is found all the same
    assert not turned(())


def idle(weights=(0.7, 0.0, 1.8), shown=(250, 600, 150), correct=(250, 0, 150), **fields):
    fields = {"target_shape": (50,), "fed": (50, 30), **fields}
    return said(
        shown, (500, 0, 500), correct, shown=shown, weighted=True, weights=weights, **fields
    )


def test_a_class_that_weighs_nothing():
    (found,) = idle()
    assert found.severity == "critical"
    assert "Class 1 weighs nothing in the loss, and 60% of the training rows" in found.says
    assert "none of 600 held-out samples" in found.evidence[1].says
    assert found.prescriptions[0].edits == ("class-weights",)
    (found,) = idle(phase="train")
    assert found.severity == "warning"


def test_a_class_that_is_left_out_on_purpose():
    assert not idle(fed=(10, 30))  # the words of ten sentences
    assert not idle(target_shape=(50, 8, 8))  # the void in a picture
    assert not idle(shown=(450, 100, 450))  # a few rows without a label
    assert not idle(weights=(0.7, 0.1, 1.8))
    assert not idle(correct=(250, 40, 150))  # it is named all the same


def test_a_class_that_weighs_nothing_where_nobody_evaluates():
    targets = Targets(objective=SITE, samples=1000, classes=(250, 600, 150))
    goal = objective(
        input_shape=(50, 3), target_shape=(50,), weighted=True, weights=(0.7, 0.0, 1.8)
    )

    def told(accuracy):
        exam = Exam(name="shuffled", values={"accuracy": accuracy, "majority": 0.6})
        run = fake_run({LOSS: [0.1] * 100}, [goal, targets, Inputs(shape=(50, 30)), exam])
        return list(ClassImbalanceCollapse().detect(run))

    (found,) = told(0.39)
    assert "39% of its newest training rows rightly" in found.evidence[1].says
    assert not told(0.6)
