"""Reads loss curves: where chance lies, how much was learnt, whether it still falls or flies off.

One scale for all tasks: the share learnt, 1 - loss / chance, where chance is the loss of the best
constant prediction, H(y) for classes and Var(y) for squared errors. 0 knows nothing, 1 is perfect.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from penlight.core.facts import Objective, Targets
from penlight.core.run import Array, Run, Series
from penlight.core.vocabulary import ACCURACY, EXPLAINED, LOSS, OBJECTIVE_LOSS

# Losses whose best constant answer does not follow from mean and spread; an experiment knows it.
ABSOLUTE = ("l1_loss", "smooth_l1_loss", "huber_loss")
VALUES = ("mse_loss", *ABSOLUTE)  # losses of a regression
END = 0.2  # the last fifth of a run speaks for its end
STEADY = 0.1  # spread of their ratio up to which two loss curves count as proportional
HARDLY = 0.02  # share learnt: less may be luck
RUINED, FINE = 0.1, 0.5  # shares learnt: below the one nothing works, from the other on it does
WORSE = 0.05  # share of chance by which a loss must exceed it: estimates of both err by less
SIGMAS = 3.0  # differences below this many standard errors are noise
MOVED = 4.0  # standard deviations: a batch of one's own data lies within two of them, if sorted
MANY = 100  # steps from which on a run can be expected to have learnt something
RISE = 0.01  # of a loss: one that stands still has no noise, and may stand a hair higher


@dataclass(frozen=True, slots=True)
class Progress:
    """What a loss curve shows, in units of loss per target."""

    steps: int  # points of the curve
    first: float  # the loss before any training
    end: float  # mean over the last fifth; infinite when the loss stayed non-finite
    best: float  # lowest mean over any window as long as that
    error: float  # standard error of `end`
    slope: float  # fall over the last third of the run: positive while it still falls
    slope_error: float  # standard error of `slope`
    chance: float | None  # loss of the best constant prediction; None: unknown
    learnt: float | None  # share of what there is to learn that was learnt; None: unknown
    broken: int | None  # step from which on the loss was non-finite to the end

    @property
    def falling(self) -> bool:
        """Whether the loss was still going down at the end, beyond its noise."""
        return self.slope > SIGMAS * self.slope_error

    @property
    def fell(self) -> bool:
        """Whether the loss ended below where it began, beyond its noise."""
        return self.first - self.end > SIGMAS * self.error

    @property
    def flat(self) -> bool:
        """Whether the loss never moved down beyond its noise."""
        return not self.fell and not self.falling

    @property
    def worse(self) -> bool:
        """Whether it ended non-finite or worse than a constant answer; a hard task ends there."""
        return self.broken is not None or (self.learnt is not None and self.learnt < -WORSE)

    @property
    def diverged(self) -> bool:
        """Whether the loss ended non-finite, or clearly above both its start and chance."""
        if self.broken is not None:
            return True
        top = max(self.first, self.chance or self.first)
        return self.end - SIGMAS * self.error > top + RISE * abs(top)


@np.errstate(over="ignore", invalid="ignore")
def progress(run: Run, objective: Objective | None = None) -> Progress | None:
    """How the run got on by its loss curve.

    None when there are fewer than 10 finite points, unless the loss became non-finite before.
    """
    objective = objective or run.objective
    curve = loss_curve(run, objective)
    bad = ~np.isfinite(curve.values)
    broken = None
    if len(bad) and bad[-1]:
        last = int(np.flatnonzero(~bad)[-1]) if not bad.all() else -1
        broken = int(curve.steps[last + 1])
    curve = curve.finite
    if len(curve) < (10 if broken is None else 1):
        return None
    values = curve.values
    window = min(len(values), max(5, int(len(values) * END)))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means = (sums[window:] - sums[:-window]) / window
    slope, slope_error = fall(values[-max(5, len(values) // 3) :])
    chance = chance_loss(run, objective)
    end = float(means[-1]) if broken is None else math.inf
    return Progress(
        steps=len(values),
        first=float(values[0]),
        end=end,
        best=float(means.min()),
        error=float(np.std(values[-window:]) / math.sqrt(window)),
        slope=slope,
        slope_error=slope_error,
        chance=chance,
        learnt=_most(_loss_share(end, chance, _floor(objective)), score(run, objective)),
        broken=broken,
    )


def loss_curve(run: Run, objective: Objective | None = None) -> Series:
    """The training loss per target at as many steps as possible.

    The loss given to backward() is known at every step, the loss function's own value only where
    the probe looked. Where the two are proportional (a sum, accumulated gradients) the former is
    brought to the latter's scale; where they are not (several terms) the latter stands alone.
    """
    objective = objective or run.objective
    every = run.series(LOSS)
    if objective is None:
        return every
    own = run.series(OBJECTIVE_LOSS, objective.site)
    scale = proportion(run, objective)
    if scale is None:
        return own if len(own) >= 10 else every
    if math.isnan(scale):
        return every or own
    return Series(OBJECTIVE_LOSS.name, objective.site, every.steps, every.values / scale)


def proportion(run: Run, objective: Objective, spread: float = STEADY) -> float | None:
    """The loss given to backward() over the loss function's own mean.

    None: the two go apart, by more than `spread` in half of the steps. NaN: nothing to compare.
    """
    a, b = at_common_steps(run.series(LOSS), run.series(OBJECTIVE_LOSS, objective.site))
    keep = np.isfinite(a) & np.isfinite(b) & (b != 0)
    if not keep.any():
        return math.nan
    ratio = a[keep] / b[keep]
    scale = float(np.median(ratio))
    apart = scale <= 0 or float(np.median(np.abs(ratio / scale - 1))) > spread
    return None if apart else scale


def at_common_steps(one: Series, other: Series) -> tuple[Array, Array]:
    """The values of two curves at the steps that both have."""
    _, left, right = np.intersect1d(one.steps, other.steps, return_indices=True)
    return one.values[left], other.values[right]


def chance_loss(run: Run, objective: Objective | None = None) -> float | None:
    """Loss per target of the best prediction that does not look at the input; None: unknown.

    Unknown, too, for targets that are probabilities: their lowest loss is not zero.
    """
    objective = objective or run.objective
    targets = run.targets(objective)
    if objective is None or targets is None or objective.weighted:
        return None
    if objective.function in ("cross_entropy", "nll_loss"):
        return _classes(objective, targets) if targets.classes else None
    if math.prod(objective.target_shape[1:]) != len(targets.mean):
        return None  # only the first columns of wide targets were kept
    if objective.function.startswith("binary_cross_entropy"):
        if not targets.integral or targets.min < 0 or targets.max > 1:
            return None
        return float(np.mean([entropy((p, 1 - p)) for p in targets.mean])) or None
    if targets.moved >= MOVED:
        return None  # targets that a model makes, as in Q-learning, have another spread in the end
    if objective.function == "mse_loss":
        return float(np.mean(np.square(targets.std))) or None
    if objective.function == "l1_loss" and targets.deviation:
        return float(np.mean(targets.deviation)) or None
    tried = run.exam("halves") if objective.function in ABSOLUTE else None
    if tried is not None and objective is run.objective and objective.reduction == "mean":
        return float(tried.values.get("guess", 0.0)) or None
    return None


def guess_loss(run: Run, objective: Objective) -> float | None:
    """Loss per target of a net that knows nothing yet, not even the mean; None: unknown."""
    if objective.function in ("cross_entropy", "nll_loss") and len(objective.input_shape) > 1:
        return math.log(objective.input_shape[1]) or None
    if objective.function.startswith("binary_cross_entropy"):
        return math.log(2)
    targets, chance = run.targets(objective), chance_loss(run, objective)
    size = {"mse_loss": np.square, "l1_loss": np.abs}.get(objective.function)
    if size is None or targets is None or chance is None:
        return None
    return chance + float(np.mean(size(targets.mean)))


def score(run: Run, objective: Objective | None = None) -> float | None:
    """Share learnt by accuracy or explained variance at the end of the run; None: unknown.

    Accuracy counts as the share of errors avoided compared with always naming the most frequent
    class. Only measurements from the last fifth of the run count, on training batches, in
    evaluation or replayed at the end, whichever is best.
    """
    objective = objective or run.objective
    if objective is None:
        return None
    late = min(run.steps * (1 - END), run.steps - 1)
    found: list[float] = []
    for signal in (ACCURACY, EXPLAINED):
        for series in run.every(signal):
            values = series.finite.between(late, math.inf).values
            if len(values):
                value = float(np.mean(values))
                found += _skill(run, value) if signal is ACCURACY else [value]
    for seen in run.evaluations(held_out=False):
        if seen.step >= late:
            found += _skill(run, seen.accuracy) if seen.accuracy is not None else []
            found += [seen.explained] if seen.explained is not None else []
    return max([*found, *_replayed(run, objective)], default=None)


def _replayed(run: Run, objective: Objective) -> list[float]:
    """Share learnt by the answers of the trained model on its newest training batches."""
    exam = run.exam("shuffled") if objective is run.objective else None
    values = exam.values if exam is not None else {}
    if "explained" in values:
        explained = float(values["explained"])
        # Far worse than a constant: rows of another time, whose targets the model itself has made.
        return [explained] if explained > -1 else []
    if "accuracy" not in values:
        return []
    return _beyond(float(values["accuracy"]), float(values["majority"]))


Verdict = Literal["ruined", "poor", "fine", "unknown"]


def verdict(run: Run) -> Verdict:
    """How the run turned out, whatever the reason.

    "ruined": the loss became non-finite, or under a tenth was learnt of what there is to learn.
    "poor": under half, which a hard task may excuse. "fine": at least half.
    """
    curve = loss_curve(run)
    if curve and not math.isfinite(curve.values[-1]):
        return "ruined"
    seen = progress(run)
    if seen is None:
        return "unknown"
    if stuck(run, RUINED):
        return "ruined"
    if seen.learnt is None:
        return "unknown"
    return "fine" if seen.learnt >= FINE else "poor"


def fails(run: Run) -> Literal["ruined", "poor", ""]:
    """How badly a run fails, "" when it does not; a loss of unknown kind must never have moved."""
    outcome, seen = verdict(run), progress(run)
    if outcome == "unknown" and seen is not None and seen.flat:
        return "ruined"
    return outcome if outcome in ("ruined", "poor") else ""


def learnt_nothing(run: Run) -> bool:
    """Whether a whole run provably ended no better than a guess.

    Only where the loss is that of the one model in training against given targets: players of a
    game, as in a GAN, stand at chance on purpose.
    """
    seen, objective = progress(run), run.objective
    if seen is None or seen.chance is None or run.steps < MANY or len(run.optimizers) != 1:
        return False
    given = objective is not None and not objective.target_learnt
    return given and seen.learnt is not None and seen.learnt < HARDLY


def stuck(run: Run, share: float) -> bool:
    """Whether the run provably learnt less than `share` of what there is to learn.

    Where chance is unknown, an exam must show that dealing the inputs to other targets costs
    less than that share, or a known loss function must never have moved beyond its noise.
    """
    seen = progress(run)
    if seen is None:
        return False
    if seen.learnt is not None:
        return seen.learnt < share
    dealt = run.exam("shuffled")
    if dealt is not None and float(dealt.values.get("shuffled", 0.0)) > 0:
        return 1 - float(dealt.values["true"]) / float(dealt.values["shuffled"]) < share
    return run.objective is not None and seen.flat


def _skill(run: Run, accuracy: float) -> list[float]:
    targets = run.targets()
    if targets is None or not sum(targets.classes):
        return []
    return _beyond(accuracy, max(targets.classes) / sum(targets.classes))


def _beyond(accuracy: float, majority: float) -> list[float]:
    """Share avoided of the errors that naming the most frequent class makes; [] for none."""
    return [(accuracy - majority) / (1 - majority)] if majority < 1 else []


def _classes(objective: Objective, targets: Targets) -> float | None:
    total = sum(targets.classes)
    if not total or objective.target_dtype.startswith(("float", "bfloat")):
        return None
    count = objective.input_shape[1] if len(objective.input_shape) > 1 else len(targets.classes)
    smooth = objective.label_smoothing
    shares = np.zeros(max(count, len(targets.classes)))
    shares[: len(targets.classes)] = np.array(targets.classes) / total
    return entropy((1 - smooth) * shares + smooth / len(shares)) or None


def entropy(shares: Iterable[float]) -> float:
    """Loss in nats of naming each class with its share."""
    return -sum(p * math.log(p) for p in shares if p > 0)


def _floor(objective: Objective | None) -> float:
    """The lowest loss there is: above zero only with label smoothing."""
    if objective is None or not objective.label_smoothing or len(objective.input_shape) < 2:
        return 0.0
    count = objective.input_shape[1]
    off = objective.label_smoothing / count
    return entropy([1 - objective.label_smoothing + off, *[off] * (count - 1)])


def _loss_share(loss: float, chance: float | None, floor: float) -> float | None:
    return (chance - loss) / (chance - floor) if chance and chance > floor else None


def _most(*shares: float | None) -> float | None:
    return max((s for s in shares if s is not None), default=None)


def fall(values: np.ndarray) -> tuple[float, float]:
    """Fall of a straight line through the values from first to last, and its standard error."""
    if len(values) < 3:
        return 0.0, 0.0
    x = np.linspace(-0.5, 0.5, len(values))
    spread = float(x @ x)
    slope = float(x @ values) / spread
    rest = values - values.mean() - slope * x
    return -slope, math.sqrt(float(rest @ rest) / max(len(values) - 2, 1) / spread)
