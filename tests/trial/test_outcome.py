"""Scores that an edit cannot move by itself."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from penlight.trial.outcome import (
    Array,
    Pairs,
    Score,
    Source,
    balanced,
    difference,
    score,
    scored,
    telling,
    threshold,
)
from penlight.trial.printed import printed

rng = np.random.default_rng(0)


def made(name: str, x: Array, y: Array, phase: str = "eval") -> Pairs:
    x, y = (a.reshape(len(a), -1).astype(float) for a in (x, y))
    return Pairs(name, phase, x, y, np.array([[0, len(x)]]))


def measures(name: str, x: Array, y: Array) -> dict[str, float]:
    found = scored(made(name, x, y))
    assert found is not None
    return dict(found.measures)


LABELS = rng.integers(0, 3, 600)
LOGITS = rng.normal(size=(600, 3)) + 2 * np.eye(3)[LABELS]
P = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def test_logits_and_probabilities_score_alike() -> None:
    by_logits = measures("cross_entropy", LOGITS, LABELS)
    assert by_logits == pytest.approx(measures("cross_entropy", P, LABELS))
    assert by_logits == pytest.approx(measures("nll_loss", np.log(P), LABELS))
    assert by_logits == pytest.approx(measures("cross_entropy", LOGITS, np.eye(3)[LABELS]))
    assert by_logits["error"] == pytest.approx((LOGITS.argmax(1) != LABELS).mean(), abs=2e-3)
    assert 0 < by_logits["missing"] < 1


def test_who_knows_nothing_misses_everything() -> None:
    found = measures("cross_entropy", np.zeros((600, 3)), LABELS)
    assert found["missing"] == pytest.approx(1.0, abs=0.01)


def test_a_target_that_was_lost_with_its_prediction_counts_as_the_worst() -> None:
    y = rng.normal(size=400)
    x, known = y + 0.1 * rng.normal(size=400), y.copy()
    x[:100] = known[:100] = np.nan
    assert measures("mse_loss", x, known)["unexplained"] == pytest.approx(1.0, abs=0.02)
    assert measures("mse_loss", 0 * x + np.nan, 0 * x + np.nan)["unexplained"] == 4.0


def test_unexplained_variance_ignores_the_scale_of_targets() -> None:
    y = rng.normal(size=(200, 2)) * [1.0, 300.0]
    x = y + rng.normal(size=(200, 2)) * [0.5, 30.0]
    plain = measures("mse_loss", x, y)
    assert plain["unexplained"] == pytest.approx((0.25 + 0.01) / 2, rel=0.2)
    scaled = measures("mse_loss", x / [1.0, 300.0] - 5, y / [1.0, 300.0] - 5)
    assert scaled["unexplained"] == pytest.approx(plain["unexplained"])


def test_predicting_the_mean_explains_nothing() -> None:
    y = rng.normal(size=500)
    assert measures("mse_loss", np.full(500, y.mean()), y)["unexplained"] == pytest.approx(1.0)


def test_one_unit_is_judged_by_its_best_border() -> None:
    y = rng.integers(0, 2, 400)
    x = 10 + y + 0.2 * rng.normal(size=400)
    assert measures("mse_loss", x, y)["error"] < 0.02
    assert threshold(np.array([3.0, 1.0, 2.0]), np.array([True, False, False])) == 2.5
    assert threshold(np.array([1.0, 2.0]), np.array([True, True])) < 1.0


def test_labels_one_and_two_are_yes_and_no() -> None:
    y = rng.integers(0, 2, 400)
    x = y + 0.1 * rng.normal(size=400)
    assert measures("binary_cross_entropy_with_logits", x, y + 1).keys() == {"error"}
    assert measures("binary_cross_entropy_with_logits", x, y + 1)["error"] < 0.02
    assert measures("binary_cross_entropy_with_logits", 9 * x - 4, y)["missing"] < 0.1


def test_a_classification_by_squares_compares_with_one_by_cross_entropy() -> None:
    squares = scored(made("mse_loss", P, np.eye(3)[LABELS]))
    entropy = scored(made("cross_entropy", LOGITS, LABELS))
    assert squares is not None
    assert entropy is not None
    assert difference(squares, entropy) == pytest.approx(0.0)


def test_what_is_not_finite_is_the_worst_and_not_left_out() -> None:
    broken = measures("cross_entropy", np.full((600, 3), np.nan), LABELS)
    assert broken["error"] > 0.99
    assert broken["missing"] == 4.0
    assert measures("mse_loss", np.full(50, np.inf), rng.normal(size=50))["unexplained"] == 4.0


def test_a_missing_arm_counts_as_the_worst() -> None:
    good = Score({"error": 0.1}, 100)
    assert difference(None, good) > 0.5
    assert difference(good, None) < -0.5
    assert math.isnan(difference(None, None))
    assert math.isnan(difference(good, Score({"unexplained": 0.1}, 9)))


def test_each_class_counts_alike_where_balance_is_the_matter() -> None:
    y = np.array([0] * 95 + [1] * 5)
    always = balanced(made("binary_cross_entropy_with_logits", np.full(100, -3.0), y))
    assert always is not None
    assert always.measures["error"] == pytest.approx(0.5, abs=0.05)
    assert measures("binary_cross_entropy_with_logits", np.full(100, -3.0), y)["error"] < 0.06
    by_class = balanced(made("cross_entropy", LOGITS, LABELS))
    assert by_class is not None
    assert by_class.measures["error"] == pytest.approx(
        (LOGITS.argmax(1) != LABELS).mean(), abs=0.02
    )
    assert balanced(made("mse_loss", rng.normal(size=9), rng.normal(size=9))) is None


def test_what_is_shown_is_what_moved() -> None:
    before = Score({"error": 0.30, "missing": 2.0}, 100)
    assert telling(before, Score({"error": 0.10, "missing": 0.5}, 100)) == "error"
    assert telling(before, Score({"error": 0.30, "missing": 0.5}, 100)) == "missing"
    assert telling(before, None) == "error"


def test_the_last_pass_counts_and_not_the_best() -> None:
    y = np.zeros((20, 1))
    y[10:] = 1
    x = np.concatenate([y, 1 - y])
    both = Pairs("nll_loss", "eval", np.hstack([1 - x, x]), np.tile(y, (2, 1)),
                 np.array([[5, 20], [9, 20]]))  # fmt: skip
    found = scored(both.last)
    assert found is not None
    assert found.measures["error"] > 0.9


def test_training_counts_by_its_last_fifth() -> None:
    calls = np.array([[step, 1] for step in range(100)])
    kept = Pairs("mse_loss", "train", np.arange(100.0)[:, None], np.zeros((100, 1)), calls)
    assert kept.last.x[0, 0] == 80


def test_what_it_was_at_a_step() -> None:
    calls = np.array([[10, 2], [20, 2], [30, 2]])
    kept = Pairs("mse_loss", "eval", np.arange(6.0)[:, None], np.zeros((6, 1)), calls)
    assert kept.until(25).last.x[:, 0].tolist() == [2, 3]
    assert kept.until(30).last.x[:, 0].tolist() == [4, 5]
    assert len(kept.until(9).calls) == 0


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("epoch 3 loss 0.3 val acc 0.93", "val acc", 0.07),
        ("Test Accuracy: 87.5%", "test accuracy", 0.125),
        ("accuracy = 91", "accuracy", 0.09),
        ("val_loss=0.25", "val loss", 0.25),
        ('RESULT {"metric": "r2", "value": 0.75}', "result r2", 0.25),
        ('RESULT {"metric": "test_mse", "value": 3.5}', "result test_mse", 3.5),
        ('RESULT {"metric": "accuracy", "value": null}', "result accuracy", math.inf),
        ("train acc: 0.5\ntrain acc: 0.75", "train acc", 0.25),
    ],
)
def test_printed_metrics(text: str, name: str, value: float) -> None:
    assert printed(text)[name] == pytest.approx(value)


@pytest.mark.parametrize(("name", "measure"), [("val acc", "error"), ("val loss", "printed")])
def test_a_printed_accuracy_is_compared_as_an_error_rate(name: str, measure: str) -> None:
    arm = SimpleNamespace(printed=f"{name} 0.875")
    found = score(arm, Source("printed", name=name))  # type: ignore[arg-type]
    assert found is not None
    assert list(found.measures) == [measure]
    perfect = Score({measure: 0.0}, 1)
    assert (difference(found, perfect) < 5) == (measure == "error"), "no number is all that counts"


def test_a_printed_error_moves_with_the_unit_of_the_targets() -> None:
    printed_mse = Source("printed", name="result mse")
    assert printed_mse.moved_by(["standardise-targets"])
    assert not printed_mse.moved_by(["loss"])
    assert Source("printed", name="val loss").moved_by(["loss", "learning-rate"])
    assert not Source("printed", name="result r2").moved_by(["standardise-targets"])
    assert not Source("eval").moved_by(["loss", "standardise-targets"])


def test_prose_is_no_metric() -> None:
    assert printed("step 100 of 200\nloading 5 files\nRESULT nonsense") == {}
