"""misaligned-labels."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Exam, Inputs, Module, Parameter, Predictions, Targets
from penlight.core.vocabulary import ACCURACY, DEPENDENCE, LOSS, OUTPUT_GRAD, TRAVEL
from penlight.pitfalls.misaligned_labels import MisalignedLabels
from penlight.testing import check_card, fake_run, objective

SITE = "cross_entropy@train.py:1"
TARGETS = Targets(objective=SITE, classes=(100,) * 5, entropy=1.609)
BY_HEART = np.linspace(1.65, 0.4, 250).tolist()


def memorising(accuracies, *facts, losses=BY_HEART, samples=500, held_out=1.7):
    passes = [
        Predictions(
            objective="cross_entropy@train.py:9",
            step=50 * (i + 1),
            samples=samples,
            loss=held_out + 0.1 * i,
            accuracy=accuracy,
            labels=(samples // 5,) * 5,
        )
        for i, accuracy in enumerate(accuracies)
    ]
    run = fake_run({LOSS: losses}, [objective(input_shape=(50, 5)), TARGETS, *passes, *facts])
    return list(MisalignedLabels().detect(run))


def stuck(kind="Linear", best=1.6, travel=0.2, repeated=0.6, dependence=0.4, end=1.58):
    rates = {"start": 1.7, "x0.1": 1.65, "x1": best, "x10": 1.62, "x100": 2.0, "steps": 40}
    run = fake_run(
        {
            LOSS: np.linspace(1.7, end, 400).tolist(),
            (DEPENDENCE, "out"): [0.3, dependence],
            (OUTPUT_GRAD, "out"): [1.0, 1.0],
            (TRAVEL, "out.weight"): [0.01, travel],
        },
        [
            objective(input_shape=(50, 5)),
            TARGETS,
            Module(name="out", type=kind),
            Parameter(name="out.weight", shape=(5, 8)),
            Inputs(samples=2000, repeated_rows=repeated),
            Exam(name="rates", values=rates),
        ],
    )
    return list(MisalignedLabels().detect(run))


def test_card():
    assert check_card(MisalignedLabels()) == []


def test_learnt_by_heart_and_nothing_transfers():
    (found,) = memorising([0.2, 0.21, 0.19, 0.2, 0.2])
    assert found.severity == "critical"
    assert "none of 5 held-out passes" in found.says


def test_overfitting_was_better_than_chance_once():
    assert not memorising([0.2, 0.5, 0.45, 0.4, 0.35])


def test_scores_that_know_more_than_the_answers():
    assert not memorising([0.2, 0.2, 0.2], held_out=1.2)


def test_not_learnt_by_heart_yet():
    assert not memorising([0.2, 0.2, 0.2], losses=[1.6] * 250)


def test_few_samples_prove_nothing():
    assert not memorising([0.2, 0.2, 0.2], samples=50)


def test_a_model_spoilt_in_evaluation_mode():
    modes = Exam(name="modes", values={"train": 0.4, "eval": 3.0})
    assert not memorising([0.2, 0.2, 0.2], modes)


def test_all_works_and_nothing_is_learnt():
    (found,) = stuck()
    assert found.severity == "warning"
    assert "say nothing about the inputs" in found.says


def test_other_explanations_come_first():
    assert not stuck(best=1.3)  # another rate learns
    assert not stuck(travel=0.001)  # a layer stands still
    assert not stuck(dependence=1e-4)  # the outputs have collapsed
    assert not stuck(kind="LSTM")  # slow starters
    assert not stuck(repeated=0.0)  # samples that never come again: augmentation
    assert not stuck(end=1.2)


def test_a_small_skill_beyond_luck():
    """Two answers in ten are right where one in five would be by luck, on 2,000 samples."""
    assert memorising([0.2, 0.21, 0.2], samples=2000)
    assert not memorising([0.2, 0.31, 0.3], samples=2000)
    assert memorising([0.2, 0.31, 0.3], samples=100)


def by_heart(*facts, seen=0.5, held=1.61, rows=200, repeated=0.6, **fields):
    values = {"start": 1.7, "held": held, "seen": seen, "guess": 1.6, "steps": 300, "rows": rows}
    fed = Inputs(samples=2000, repeated_rows=repeated)
    aim = objective(input_shape=(50, 5), **fields)
    exam = Exam(name="halves", values=values)
    run = fake_run({LOSS: BY_HEART}, [aim, TARGETS, fed, exam, *facts])
    return list(MisalignedLabels().detect(run))


def test_one_half_by_heart_says_nothing_about_the_other():
    (found,) = by_heart()
    assert "69% of what 200 training samples say" in found.says
    assert not by_heart(held=1.5)  # a little of it holds
    assert not by_heart(seen=1.3)  # not by heart yet
    assert not by_heart(rows=30)
    assert not by_heart(repeated=0.0)  # the captured rows are a drop of the data
    assert not by_heart(weighted=True)  # the guess is another one


def test_a_skilled_evaluation_clears_the_labels():
    knows = Predictions(
        objective="acc", step=100, samples=500, accuracy=0.5, labels=(100,) * 5, training_rows=0.0
    )
    assert not by_heart(knows)
    assert by_heart(Predictions(objective="acc", step=100, samples=500, explained=-0.2))
    assert not by_heart(Predictions(objective="acc", step=100, samples=500, explained=0.4))
    leaked = Predictions(objective="acc", step=100, samples=500, explained=0.0, training_rows=0.6)
    assert not by_heart(leaked)  # rows on both sides of the split: another pitfall


def parted(*explained, end=0.7, loss="mse_loss"):
    site = f"{loss}@train.py:1"
    aim = objective(loss, input_shape=(50, 1), target_shape=(50, 1), target_dtype="float32")
    targets = Targets(objective=site, samples=1000, mean=(0.0,), std=(1.0,))
    passes = [
        Predictions(objective="mse@1", step=50 * i, samples=300, loss=1 - e, explained=e)
        for i, e in enumerate(explained, start=1)
    ]
    run = fake_run({LOSS: np.linspace(1.0, end, 250).tolist()}, [aim, targets, *passes])
    return list(MisalignedLabels().detect(run))


def test_held_out_values_get_worse_from_the_first_step_on():
    (found,) = parted(-0.02, 0.01, -0.2, -0.5)
    assert "150% of what a guess costs" in found.says
    assert not parted(0.1, 0.3, -0.2, -0.5)  # overfitting: something held once
    assert not parted(-0.02, 0.01, -0.02, -0.05)  # nothing lost either
    assert not parted(-0.02, 0.01, -0.2, -0.5, end=0.97)  # nothing learnt


def test_held_out_rows_of_another_kind():
    """Half of the training rows do teach something about the others."""
    values = {"start": 1.7, "held": 0.8, "seen": 0.5, "guess": 1.6, "steps": 300, "rows": 200}
    assert not memorising([0.2, 0.21, 0.19], Exam(name="halves", values=values))


def slowly_parting(count=8, paired_t=4.0, first=1.62, losses=None):
    """Held-out passes that only get worse while little is learnt by heart."""
    passes = [
        Predictions(
            objective="cross_entropy@train.py:9",
            step=30 * (i + 1),
            samples=500,
            loss=first + 0.006 * i,
            accuracy=0.2,
            labels=(100,) * 5,
            paired_t=paired_t if i else None,
        )
        for i in range(count)
    ]
    curve = losses if losses is not None else np.linspace(1.62, 1.55, 250).tolist()
    run = fake_run({LOSS: curve}, [objective(input_shape=(50, 5)), TARGETS, *passes])
    return list(MisalignedLabels().detect(run))


def test_a_slow_parting_that_is_no_chance():
    (found,) = slowly_parting()
    assert found.severity == "warning"
    assert "the held-out loss only rose" in found.says


def test_a_slow_parting_that_may_be_chance_or_has_just_begun():
    assert not slowly_parting(paired_t=1.5)
    assert not slowly_parting(count=5)


def test_a_held_out_pass_that_beat_a_guess_clears_a_slow_parting():
    assert not slowly_parting(first=1.58)


def test_nothing_learnt_by_heart_is_no_parting():
    assert not slowly_parting(losses=[1.62] * 250)


# -- rows that come again -------------------------------------------------------------------

DEALT = {"again": 400, "changed": 0.74, "chance": 0.8, "dealt": 1.0, "classes": True}


def again(accuracy=0.25, **changes):
    facts = [objective(), TARGETS, Exam(name="relabelled", values={**DEALT, **changes})]
    curve = {LOSS: [1.6] * 200, (ACCURACY, SITE): [accuracy] * 50}
    return list(MisalignedLabels().detect(fake_run(curve, facts)))


def test_rows_with_another_label_each_time():
    (found,) = again()
    assert "Of 400 times that a training row came again" in found.says


def test_rows_that_may_change_their_target():
    assert not again(changed=0.1)  # noisy labels, here and there
    assert not again(dealt=0.0, classes=False)  # a model's own targets, which move
    assert not again(accuracy=0.9)  # the task has changed, and was learnt
    assert not again(changed=0.1, chance=0.12)  # one class only, nearly


# -- tokens ---------------------------------------------------------------------------------


def tokens(**changes):
    values = {"earlier": 0.0, "own": 0.3, "length": 16, "following": 0.1, "copied": 0.1}
    exam = Exam(name="causality", values={**values, "skipped": 1.0, **changes})
    return list(MisalignedLabels().detect(fake_run(facts=[exam])))


def test_targets_that_were_shifted_twice():
    (found,) = tokens()
    assert found.exact
    assert "the one after the next" in found.says
    assert "labels=input_ids" in found.prescriptions[0].do


def test_who_is_not_asked_for_two_tokens_ahead():
    assert not tokens(skipped=0.2, following=1.0)
    assert not tokens(following=1.0)  # the same token throughout
    assert not tokens(copied=1.0)  # every second token is the same
    assert not tokens(earlier=0.2)  # it sees what it is asked for: another fault


# -- training rows beside held-out rows -----------------------------------------------------

BESIDE = {
    "apart": 0.52, "z": 0.7, "rows": 400, "inside": 0.88, "outside": 0.86, "own": 0.2,
    "blank": 0.9, "harm_t": -0.4, "own_t": 12.0, "classes": True, "model": 0.89,
}  # fmt: skip


def beside(repeated=0.6, **changes):
    facts = [
        objective(),
        Inputs(shape=(32, 20), samples=4000, repeated_rows=repeated),
        *(Predictions(objective="e", step=50 * i, samples=400, accuracy=0.11) for i in (1, 2, 3)),
        Exam(name="shift", values={**BESIDE, **changes}),
    ]
    return list(MisalignedLabels().detect(fake_run({}, facts, steps=200)))


def test_held_out_targets_go_with_their_rows_and_training_targets_do_not():
    (found,) = beside()
    assert found.severity == "critical"
    assert (
        "200 training rows does no better on others than a blind answer" in found.evidence[0].says
    )
    assert "89% of the held-out rows are named wrongly by the model" in found.evidence[-1].says
    values = {"classes": False, "inside": 2.6, "outside": 1.4, "own": 0.2, "blank": 0.66}
    assert beside(**values, model=1.1)  # in shares of the variance


def test_who_has_learnt_a_rule_or_has_none_to_learn():
    assert not beside(inside=0.5)  # training rows do teach: the held-out rows are others
    assert not beside(outside=0.5)  # what they teach holds
    assert not beside(own=0.7)  # hard to read for a small learner, in both
    assert not beside(own_t=2.0)  # noise
    assert not beside(model=0.3)  # the model found the rule
    assert not beside(apart=0.95, z=12.0)  # rows of quite another kind
    assert beside(apart=0.66, z=7.0)  # of another writer, say: the rows teach nothing all the same
    assert not beside(repeated=0.0)  # changed at random: an augmentation may hide the rule
    values = {"classes": False, "inside": 0.7, "outside": 1.4, "own": 0.2, "blank": 0.66}
    assert not beside(**values, model=1.1)


def masks(losses=None, moved=0.4, steps=400, shape=(16, 1, 32, 32), **values):
    dealt = {"true": 0.388, "shuffled": 0.3884, "accuracy": 0.857, "majority": 0.857, **values}
    loss = objective(
        "binary_cross_entropy_with_logits",
        input_shape=shape,
        target_shape=shape,
        target_dtype="float32",
    )
    falls = np.concatenate([np.linspace(0.7, 0.39, 100), np.full(steps - 100, 0.388)])
    facts = [
        Exam(name="shuffled", values=dealt),
        Exam(name="coupling", values={"own": moved, "others": 0.0, "noise": 0.0, "dim": 0}),
    ]
    run = fake_run({LOSS: falls.tolist() if losses is None else losses}, [loss, *facts])
    return list(MisalignedLabels().detect(run))


def test_masks_of_other_pictures():
    (found,) = masks()
    assert "fit the masks of other rows" in found.says
    assert "0.388" in found.evidence[0].says


@pytest.mark.parametrize(
    "changes",
    [
        {"shuffled": 0.6},  # the answers know their pictures
        {"accuracy": 0.9},
        {"true": 0.41, "shuffled": 0.41},  # not even the map is learnt: the training may not work
        {"moved": 0.001},  # nothing reaches the outputs
        {"steps": 150},
        {"losses": np.linspace(0.7, 0.388, 400).tolist()},  # on its way
        {"shape": (16, 1)},
    ],
)
def test_masks_that_may_be_theirs(changes):
    assert not masks(**changes)
