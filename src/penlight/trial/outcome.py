"""How good an arm's result is, on scales that an edit cannot move by itself.

Outputs and targets of the loss calls are scored, never the loss: a classification by its error
rate and by the information missing about the labels, a regression by its unexplained variance,
1 - R2, which no scaling of targets changes. Both arms of a pair are scored by the same rules and
compared by the log-ratios of what both have. All measures are better when lower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penlight.pitfalls._curves import VALUES
from penlight.trial.arm import PAIRS
from penlight.trial.arms import Arm
from penlight.trial.printed import HIGHER, is_score, printed

Array = npt.NDArray[np.float64]

LAST = 0.2  # share of the training calls that are scored where there is no evaluation
PROBABILITY = 1e-3  # how far a row of probabilities may be from adding up to 1
FEW = 20  # distinct whole-number targets that may be classes
CAP = 4.0  # of unexplained variance and missing information: beyond, one failure is like another
# What a difference must at least be in absolute terms to count much, by measure.
SOFT = {"error": 0.005, "missing": 0.01, "unexplained": 0.002, "printed": 1e-9}
NAMES = {
    "error": "error rate",
    "missing": "missing information",
    "unexplained": "unexplained variance",
    "printed": "printed result",
}
# Edits that change the unit of a printed error, and those that change what a printed loss means.
SCALES = {"standardise-targets"}
LOSSES = {
    "loss",
    "mean-loss",
    "divide-once",
    "sum-features",
    "penalty",
    "class-weights",
    "recode-labels",
    "output-activation",
    "right-sign",
}
# Faults that make an outcome look better than it is.
FLATTERING = {"causal-leak", "cross-sample-leak", "train-val-leakage"}
MOVED = 0.1  # log-ratio from which a measure shows a change by itself
WORST = {"error": 1.0, "missing": CAP, "unexplained": CAP}


@dataclass(frozen=True)
class Score:
    """Measures by name, each better when lower, over `n` samples."""

    measures: Mapping[str, float]
    n: int

    @property
    def main(self) -> tuple[str, float]:
        """The measure to show, and its value."""
        for name in ("error", "unexplained", "missing", "printed"):
            if name in self.measures:
                return name, self.measures[name]
        return "", math.nan

    def value(self, measure: str) -> float:
        """A measure by name, the main one where there is none of that name."""
        return self.measures.get(measure, self.main[1])


@dataclass(frozen=True)
class Pairs:
    """Outputs and targets of one loss call place: `x` rows x columns, `y` rows x columns.

    `calls` are (optimiser steps done before, rows), one for each call or evaluation pass.
    """

    name: str
    phase: str
    x: Array
    y: Array
    calls: npt.NDArray[np.int64]

    def part(self, first: int, stop: int) -> Pairs:
        """The calls from `first` to before `stop`."""
        ends = np.concatenate([[0], np.cumsum(self.calls[:, 1])])
        rows = slice(int(ends[first]), int(ends[stop]))
        return Pairs(self.name, self.phase, self.x[rows], self.y[rows], self.calls[first:stop])

    def until(self, step: int) -> Pairs:
        """The calls up to an optimiser step."""
        return self.part(0, int(np.searchsorted(self.calls[:, 0], step, side="right")))

    @property
    def last(self) -> Pairs:
        """What counts: the newest evaluation pass, or the newest fifth of the training calls."""
        count = len(self.calls)
        if self.phase == "eval":
            return self.part(count - 1, count)
        newest = self.calls[-1, 0] * (1 - LAST)
        return self.part(int(np.searchsorted(self.calls[:, 0], newest)), count)


@dataclass(frozen=True)
class Source:
    """Where an outcome is read: "eval" or "train" pairs, the probe's "accuracy", or what is
    "printed" under a name.

    Pairs are those of the loss function `name`, the `index`-th place that calls it; of the
    `index`-th place of all where an edit has put another loss function there.
    """

    kind: str
    index: int = 0
    name: str = ""
    balanced: bool = False  # each class counts alike, however rare: what a fault of balance hides

    def moved_by(self, edits: Sequence[str]) -> bool:
        """Whether edits of these names can change the number without changing the model."""
        if self.kind != "printed" or HIGHER.search(self.name):
            return False
        names = set(edits)
        return bool(names & SCALES or ("loss" in self.name and names & LOSSES))

    @property
    def says(self) -> str:
        if self.kind == "printed":
            return f"{'1 - ' if HIGHER.search(self.name) else ''}{self.name}, as printed"
        if self.balanced:
            return "of the classes on average, on validation data"
        if self.kind == "train":
            return "on training batches before they are learnt from"
        return "on validation data"


def pairs(arm: Arm) -> list[Pairs]:
    """All pairs that an arm has kept, in the order in which their places were first called."""
    try:
        with np.load(arm.place / PAIRS, allow_pickle=False) as stored:
            labels = [key[2:] for key in stored.files if key.startswith("x|")]
            found = []
            for label in labels:
                _, phase, name = label.split("|", 2)
                x, y = (stored[f"{k}|{label}"].astype(np.float64) for k in "xy")
                found.append(Pairs(name, phase, x, y, stored[f"s|{label}"]))
            return found
    except (OSError, ValueError, KeyError):
        return []


def sources(arm: Arm) -> list[Source]:
    """Where a run's outcome can be read, the most trustworthy first."""
    kept = pairs(arm)
    evals = [p for p in kept if p.phase == "eval"]
    trains = [p for p in kept if p.phase == "train"]
    passes = arm.run.evaluations(held_out=False)
    fresh = arm.run.evaluations() or not passes
    found: list[Source] = []
    ranked = sorted(range(len(evals)), key=lambda i: _badness(evals[i], trains), reverse=True)
    held_out = [_at(evals, i) for i in ranked if scored(evals[i].last, trains)]
    if fresh:
        found += held_out
        if any(p.accuracy is not None for p in passes):
            found.append(Source("accuracy"))
    named = printed(arm.printed)
    found += [Source("printed", name=name) for name in named if is_score(name)]
    if not fresh:
        found += held_out
    # Of networks that train against each other no batch tells how well it goes.
    if len({o.source for o in arm.run.optimizers}) < 2:
        order = sorted(range(len(trains)), key=lambda i: -len(trains[i].x))
        found += [_at(trains, i) for i in order if scored(trains[i].last, trains)]
    found += [Source("printed", name=name) for name in named if not is_score(name)]
    return found


def _at(places: Sequence[Pairs], index: int) -> Source:
    """The source that finds a place again."""
    name = places[index].name
    return Source(places[index].phase, sum(p.name == name for p in places[:index]), name)


def _with_terms(
    found: Score | None, place: Pairs, kept: Sequence[Pairs], training: Sequence[Pairs]
) -> Score | None:
    """A score with the measures of the other loss functions of the same evaluation."""
    if found is None or place.phase != "eval":
        return found
    measures = dict(found.measures)
    for other in kept:
        same = other.phase == "eval" and other.calls[-1, 0] == place.calls[-1, 0]
        if same and other.name != place.name:
            term = scored(other.last, training)
            measures = {**(term.measures if term is not None else {}), **measures}
    return Score(measures, found.n)


def _place(kept: Sequence[Pairs], source: Source) -> Pairs | None:
    """The place of a source among the pairs that an arm has kept."""
    places = [p for p in kept if p.phase == source.kind]
    named = [p for p in places if p.name == source.name] or places
    return named[source.index] if source.index < len(named) else None


def score(arm: Arm, source: Source, until: int | None = None) -> Score | None:
    """An arm's outcome, or what it was at an optimiser step; None when it left none there."""
    if source.kind in ("eval", "train"):
        kept = pairs(arm)
        if until is not None:
            kept = [p for p in (p.until(until) for p in kept) if len(p.calls)]
        place = _place(kept, source)
        if place is None:
            return None
        trains = [p for p in kept if p.phase == "train"]
        if source.balanced and (alike := balanced(place.last)) is not None:
            return alike
        return _with_terms(scored(place.last, trains), place, kept, trains)
    if until is not None:
        return None
    if source.kind == "accuracy":
        passes = [p for p in arm.run.evaluations(held_out=False) if p.accuracy is not None]
        if not passes:
            return None
        last = passes[-1]
        return Score({"error": 1 - float(last.accuracy or 0.0)}, last.samples)
    value = printed(arm.printed).get(source.name)
    if value is None:
        return None
    measure = "error" if HIGHER.search(source.name) else "printed"  # 1 - accuracy, or a loss
    return Score({measure: value if math.isfinite(value) else math.inf}, 1)


def difference(control: Score | None, treated: Score | None) -> float:
    """How much better the treated arm is: the mean log-ratio of the measures both have.

    An arm without a score counts as the worst there is. NaN when nothing can be compared.
    """
    if control is None and treated is None:
        return math.nan
    if control is None or treated is None:
        known = control or treated
        assert known is not None
        worst = Score({k: WORST.get(k, 4 * abs(v) + 1) for k, v in known.measures.items()}, 0)
        control, treated = control or worst, treated or worst
    common = [k for k in control.measures if k in treated.measures]
    if "error" in common and len(common) > 1 and control.n < 1:
        common = ["error"]
    if not common:
        return math.nan
    ratios = [_log(k, control.measures[k]) - _log(k, treated.measures[k]) for k in common]
    return float(np.mean(ratios))


def telling(control: Score | None, treated: Score | None) -> str:
    """The measure to show of two outcomes: the main one, unless only another one moves."""
    if control is None or treated is None:
        return (control or treated or Score({}, 0)).main[0]
    gains = {k: difference(_only(control, k), _only(treated, k)) for k in control.measures}
    gains = {k: gain for k, gain in gains.items() if not math.isnan(gain)}
    main = control.main[0]
    if not gains or gains.get(main, 0.0) > MOVED:
        return main
    return max(gains, key=lambda k: gains[k])


def _only(found: Score, name: str) -> Score:
    return Score({k: v for k, v in found.measures.items() if k == name}, found.n)


def curve(arm: Arm, source: Source, measure: str = "") -> list[tuple[int, float]]:
    """(optimiser steps, a measure) over the run, for a picture; [] where there is none."""
    if source.kind not in ("eval", "train"):
        return []
    kept = pairs(arm)
    place, trains = _place(kept, source), [p for p in kept if p.phase == "train"]
    if place is None:
        return []
    count = len(place.calls)
    group = 1 if source.kind == "eval" else max(1, math.ceil(count / 40))
    points = []
    for first in range(0, count, group):
        part = place.part(first, min(count, first + group))
        found = (balanced(part) if source.balanced else None) or scored(part, trains)
        if found is not None:
            points.append((int(part.calls[-1, 0]), found.value(measure)))
    return points


# -- scoring pairs ------------------------------------------------------------------------------


def scored(found: Pairs, training: Sequence[Pairs] = ()) -> Score | None:
    """The measures of some pairs; None where they mean nothing to us.

    Args:
        found: what to score.
        training: pairs of the same run, for the threshold of a single output unit.
    """
    x, y = found.x, found.y
    if not len(x):
        return None
    whole = bool(np.isfinite(y).all()) and bool((y == np.round(y)).all())
    measures: dict[str, float] = {}
    if x.shape[1] > 1 and y.shape[1] == 1 and whole:
        measures = _classes(found.name, x, y[:, 0].astype(np.int64))
    elif x.shape[1] > 1 and y.shape == x.shape and _one_hot(y):
        measures = _classes(found.name, x, y.argmax(1))
        if _values(found.name):
            measures["unexplained"] = _unexplained(x, y)
    elif x.shape == y.shape:
        distinct = set(np.unique(y)) if whole else set()
        yes_or_no = distinct <= {0.0, 1.0} or distinct == {-1.0, 1.0}
        if whole and (yes_or_no or (y.shape[1] == 1 and len(distinct) == 2)):
            measures = _binary(found, training)
        elif whole and y.shape[1] == 1 and len(distinct) <= FEW:
            measures["error"] = _share(np.round(x) != y)
        if _values(found.name) or not measures:
            outputs = _sigmoid(x) if found.name.endswith("with_logits") else x
            measures["unexplained"] = _unexplained(outputs, y)
    measures = {k: v for k, v in measures.items() if not math.isnan(v)}
    return Score(measures, len(x)) if measures else None


def balanced(found: Pairs) -> Score | None:
    """The error rate when each class counts alike, at the border that the loss stands for."""
    x, y = found.x, found.y
    if x.shape[1] > 1 and y.shape[1] == 1 and (y == np.round(y)).all():
        guesses, labels = x.argmax(1), y[:, 0]
    elif x.shape[1] > 1 and y.shape == x.shape and _one_hot(y):
        guesses, labels = x.argmax(1), y.argmax(1).astype(np.float64)
    elif x.shape[1] == 1 and set(np.unique(y)) <= {0.0, 1.0}:
        logits = found.name.endswith("logits") and not ((x >= 0) & (x <= 1)).all()
        guesses, labels = (x[:, 0] > (0.0 if logits else 0.5)).astype(np.int64), y[:, 0]
    else:
        return None
    shares = [_share(guesses[labels == each] != each) for each in np.unique(labels)]
    return Score({"error": float(np.mean(shares))}, len(x)) if shares else None


def _values(name: str) -> bool:
    return name in (*VALUES, "gaussian_nll_loss")


def _classes(name: str, x: Array, labels: npt.NDArray[np.int64]) -> dict[str, float]:
    if labels.min() < 0 or labels.max() >= x.shape[1]:
        return {}
    bad = ~np.isfinite(x).all(1)
    measures = {"error": _share((x.argmax(1) != labels) | bad)}
    if _values(name):
        return measures
    with np.errstate(all="ignore"):
        if (x >= 0).all() and (np.abs(x.sum(1) - 1) < PROBABILITY).all():
            logs = np.log(np.maximum(x, 1e-12))
        else:
            top = x.max(1, keepdims=True)
            logs = x - top - np.log(np.exp(x - top).sum(1, keepdims=True))
        own = -logs[np.arange(len(x)), labels]
    counts = np.bincount(labels)
    measures["missing"] = _missing(np.where(bad, np.inf, own), counts)
    return measures


def _binary(found: Pairs, training: Sequence[Pairs]) -> dict[str, float]:
    low = min(0.0, float(found.y.min())) if found.y.max() <= 1 else float(found.y.min())
    x, y = found.x.reshape(-1), found.y.reshape(-1) > low
    fitted = [p for p in training if p.x.shape[1] == found.x.shape[1] and p.y.shape == p.x.shape]
    own = fitted[0].last if fitted else found
    border = threshold(own.x.reshape(-1), own.y.reshape(-1) > low)
    bad = ~np.isfinite(x)
    measures = {"error": _share(((x > border) != y) | bad)}
    if not found.name.startswith("binary_cross") or found.y.max() > 1 or found.y.min() < 0:
        return measures  # -1 and 1, or 1 and 2: the loss says nothing of them
    logits = found.name.endswith("logits") and not ((x >= 0) & (x <= 1)).all()
    p = np.clip(_sigmoid(x) if logits else x, 1e-12, 1 - 1e-12)
    own_loss = -np.log(np.where(y, p, 1 - p))
    measures["missing"] = _missing(np.where(bad, np.inf, own_loss), np.bincount(y.astype(np.int64)))
    return measures


def threshold(x: Array, y: npt.NDArray[np.bool_]) -> float:
    """The border above which a single output is best called positive."""
    keep = np.isfinite(x)
    x, y = x[keep], y[keep]
    if not len(x):
        return 0.0
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    # right[i]: calls everything from i on positive
    below = np.concatenate([[0], np.cumsum(~y)])
    above = np.concatenate([np.cumsum(y[::-1])[::-1], [0]])
    edges = np.concatenate([[True], x[1:] > x[:-1], [True]])
    right = np.where(edges, below + above, -1)
    best = int(right.argmax())
    if best == 0:
        return float(x[0]) - 1e-6 - abs(float(x[0])) * 1e-6
    if best == len(x):
        return float(x[-1])
    return float(x[best - 1] + x[best]) / 2


def _missing(losses: Array, counts: npt.NDArray[np.int64]) -> float:
    """Mean loss over the labels' entropy: 1 for who knows only how frequent each label is."""
    shares = counts[counts > 0] / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    if entropy < 1e-3:
        return math.nan
    with np.errstate(all="ignore"):
        return min(CAP, float(np.mean(np.minimum(losses, 1e6))) / entropy)


def _unexplained(x: Array, y: Array) -> float:
    # Of a loss by hand the target is known only through the prediction, and lost with it.
    lost = ~np.isfinite(x).all(1) & ~np.isfinite(y).all(1)
    if lost.any():
        known = math.nan if lost.all() else _unexplained(x[~lost], y[~lost])
        share = float(lost.mean())
        # Just before that, numbers so large that rounding leaves nothing of the target.
        return CAP if math.isnan(known) else share * CAP + (1 - share) * known
    with np.errstate(all="ignore"):
        spread = y.var(0)
        kept = spread > 1e-12 * (1 + np.square(y).mean(0))
        if not kept.any():
            return math.nan
        error = np.square(x - y).mean(0)[kept] / spread[kept]
        error = np.where(np.isfinite(error), np.minimum(error, CAP), CAP)
        return float(error.mean())


def _one_hot(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())


def _share(wrong: npt.NDArray[np.bool_]) -> float:
    return float((wrong.sum() + 0.5) / (wrong.size + 1))


def _sigmoid(x: Array) -> Array:
    with np.errstate(all="ignore"):
        out: Array = 1 / (1 + np.exp(-x))
    return out


def _log(name: str, value: float) -> float:
    if name == "printed":
        value = max(value, 0.0) if math.isfinite(value) else 1e9
    return math.log(value + SOFT.get(name, 0.0))


def _badness(found: Pairs, training: Sequence[Pairs]) -> tuple[bool, float]:
    """Of several evaluations those of labels come first, and the one that goes worst: held out."""
    got = scored(found.last, training)
    return (False, -1.0) if got is None else ("error" in got.measures, got.main[1])
