"""Reads the learning-rate experiment: the same batches from the same state at other rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from penlight.core.facts import Exam
from penlight.core.run import Run
from penlight.core.vocabulary import UPDATE_RATIO
from penlight.pitfalls._curves import Progress

CLEAR = 0.05  # gains farther apart than this share of the start loss are no noise of 40 steps
AHEAD = 0.6  # of what it is compared with: a loss this much lower is no luck of a few batches
FROM_ZERO = 1e9  # a step that is this many times the norm was made from weights of exactly zero
TIE = 0.02  # gains nearer than this share of the start loss count as equal: the trial's 2% margin


@dataclass(frozen=True, slots=True)
class Rates:
    """How far the loss fell in a few dozen steps at the script's rate and at others.

    Gains are falls of the loss as shares of the loss before; minus infinity when it blew up.
    """

    state: str  # "start" or "end" of the run, from where the steps were replayed
    start: float  # the loss on the replayed batches before
    steps: int
    own: float
    tenth: float
    tenfold: float
    hundredfold: float

    @property
    def best(self) -> str:
        """The factor that got furthest, smaller ones first among equals."""
        gains = {"0.1": self.tenth, "1": self.own, "10": self.tenfold, "100": self.hundredfold}
        top = max(gains.values())
        return next(k for k, v in gains.items() if v >= top - TIE)

    def overtakes(self, gain: float, seen: Progress) -> bool:
        """Whether a few dozen steps at another rate beat all that the run did, and its own rate.

        Args:
            gain: of that other rate, one of the fields.
            seen: the run's loss curve, as a mean over targets like the replayed losses.
        """
        loss = self.start * (1 - gain)
        own = self.start * (1 - self.own)
        if self.state != "start" or seen.learnt is None or seen.steps < 2 * self.steps:
            return False
        return loss < AHEAD * min(seen.best, own)

    @property
    def too_high(self) -> bool:
        """A ten times smaller rate learns from these batches, the script's own does not."""
        return self.tenth > CLEAR and self.own < self.tenth - max(CLEAR, 0.25 * self.tenth)

    @property
    def uphill(self) -> bool:
        """A ten times smaller rate gets down, if slowly, where the script's own goes up."""
        return self.tenth > TIE and self.own < 0

    @property
    def too_low(self) -> bool:
        """The fall is in proportion to the rate: ten times it gives over three times the fall."""
        return self.tenfold > max(3 * self.own, 0.0)


def arms(exam: Exam) -> list[float]:
    """The losses that the replays of such an experiment ended with, one for each rate."""
    return [float(value) for name, value in exam.values.items() if name.startswith("x")]


def rates(run: Run, name: str = "rates") -> Rates | None:
    """The experiment of that name ("rates": first state, "rates_end": last), None if not made."""
    exam = run.exam(name)
    if exam is None:
        return None
    start = _number(exam, "start")
    if not math.isfinite(start) or start <= 0:
        return None

    def gain(key: str) -> float:
        value = _number(exam, key)
        return (start - value) / start if math.isfinite(value) else -math.inf

    gains = [gain(key) for key in ("x1", "x0.1", "x10", "x100")]
    state = "end" if name.endswith("end") else "start"
    return Rates(state, start, int(_number(exam, "steps")), *gains)


def update_size(
    run: Run, first: float = 0, last: float = math.inf, *, longest: bool = False
) -> float | None:
    """Median over weight matrices of the update ratio between two steps; None: unknown.

    Of each matrix the median step counts, or its longest one. One that begins at zero is left
    out: the first step is all that there is of it.
    """
    matrices = {p.name for p in run.parameters if len(p.shape) > 1}
    steps = [
        float(values.max() if longest else np.median(values))
        for series in run.every(UPDATE_RATIO)
        if series.site in matrices
        and len(values := series.between(first, last).finite.values)
        and not series.finite.values[0] > FROM_ZERO
    ]
    moved = [size for size in steps if size > 0]
    return float(np.median(moved)) if moved else None


def _number(exam: Exam, key: str) -> float:
    value = exam.values.get(key)
    return float(value) if isinstance(value, (int, float)) else math.nan
