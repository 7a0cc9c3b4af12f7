"""How much an evaluation pass knew about its samples, beyond a guess that does not look at them."""

from __future__ import annotations

import math

import numpy as np

from penlight.core.facts import Predictions
from penlight.core.run import Run
from penlight.pitfalls._curves import chance_loss, loss_curve

SIGMAS = 3.5  # one chance in 4,000, and a run has at most some dozen passes to pick the best from


def share(seen: Predictions) -> float | None:
    """Share of what there is to know about its samples that a pass knew; None: unknown."""
    if seen.explained is not None:
        return seen.explained
    guess = entropy(seen) if any(seen.labels) else 0.0
    return 1 - seen.loss / guess if seen.loss is not None and guess > 0 else None


def skilled(seen: Predictions, lucky: float) -> bool:
    """Whether a pass knew more about its samples than a guess that does not look."""
    if any(seen.labels):
        return skill(seen) >= lucky and beyond_luck(seen)
    return seen.explained is not None and seen.explained >= lucky


def known(run: Run, step: int) -> float | None:
    """Share of the labels' entropy that the training loss had learnt shortly before a step."""
    chance, curve = chance_loss(run), loss_curve(run).finite
    width = max(5, run.steps // 20)
    around = curve.between(step - width, step).values
    return 1 - float(np.mean(around)) / chance if chance and len(around) else None


def skill(seen: Predictions) -> float:
    """Share of the errors of naming the most frequent class that a pass avoided."""
    majority = max(seen.labels) / sum(seen.labels)
    return ((seen.accuracy or 0.0) - majority) / max(1 - majority, 1e-6)


def beyond_luck(seen: Predictions) -> bool:
    """Whether a pass named more labels right than one class for all would, beyond its noise."""
    majority = max(seen.labels) / sum(seen.labels)
    error = math.sqrt(max(majority * (1 - majority), 1e-6) / sum(seen.labels))
    return (seen.accuracy or 0.0) - majority > SIGMAS * error


def entropy(seen: Predictions) -> float:
    """Loss of the best guess that does not look at the inputs."""
    total = sum(seen.labels)
    return -sum(n / total * math.log(n / total) for n in seen.labels if n)
