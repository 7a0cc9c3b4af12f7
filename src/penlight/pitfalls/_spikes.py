"""Finds jumps of the loss that do harm: the model is worse after them, not only on one batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from penlight.core.run import Run, Series

WINDOW = 50  # steps before a jump that say what the loss was
AFTER = 20  # steps after it that say what it has become
SPREADS = 5.0  # of the window's spread by which a jump must exceed its median: 3 gave 0.48 false
# alarms in 1,000 healthy steps, 5 none in 2,100, 8 missed four of six (catalogue)
FACTOR = 1.5  # by which the loss must rise, at the jump and after it
SPREAD = 1.4826  # median absolute deviation to standard deviation, for normal noise


@dataclass(frozen=True, slots=True)
class Spike:
    """One jump of the loss."""

    step: int
    before: float  # median loss of the window before
    peak: float  # largest loss of the jump and the steps after it
    after: float  # median loss of the steps after it
    recovered: int | None  # steps until the loss was back where it had been; None: never

    @property
    def height(self) -> float:
        """Peak over the loss before."""
        return self.peak / self.before


def spikes(loss: Series) -> list[Spike]:
    """The jumps of a loss that is known at every step, each with what came after.

    A batch that is hard by itself jumps as well, but the next ones do not: only jumps after which
    the loss stays up count. In logarithms; a median and its absolute deviation do not mind an
    earlier jump in their window.
    """
    loss = loss.finite
    if len(loss) < 2 * WINDOW or not (loss.values > 0).all():
        return []
    logs = np.log(loss.values)
    found: list[Spike] = []
    t = WINDOW
    while t < len(logs) - AFTER // 2:
        window = logs[t - WINDOW : t]
        middle = float(np.median(window))
        spread = SPREAD * float(np.median(np.abs(window - middle)))
        rise = max(SPREADS * spread, math.log(FACTOR))
        if logs[t] <= middle + rise:
            t += 1
            continue
        later = logs[t + 1 : t + 1 + AFTER]
        level = float(np.median(later))
        if level <= middle + max(spread, math.log(FACTOR)):
            t += 1
            continue
        back = _back(logs[t + 1 :], middle + spread)
        found.append(
            Spike(
                int(loss.steps[t]),
                math.exp(middle),
                math.exp(float(logs[t : t + 1 + AFTER].max())),
                math.exp(level),
                back,
            )
        )
        t += (back if back is not None else len(logs)) + AFTER
    return found


def _back(logs: np.ndarray, level: float) -> int | None:
    """Steps until the median over some steps is down at `level` again."""
    for i in range(len(logs) - AFTER // 2):
        if float(np.median(logs[i : i + AFTER])) <= level:
            return i
    return None


def moved_on(run: Run) -> bool:
    """Whether the run has gone on to other data, so that a jump of the loss is the change itself.

    Then the trained model does worse on the first batches than before any training, and better on
    the newest ones (exam `forgotten`).
    """
    exam = run.exam("forgotten")
    if exam is None:
        return False
    first, last, untrained = (float(exam.values[k]) for k in ("first", "last", "untrained"))
    return last < untrained < first
