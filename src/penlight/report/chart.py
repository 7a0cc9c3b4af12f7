"""A curve in text: a line over a few rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ROWS = 4
DECADES = 2.0  # a wider range than this is drawn on a logarithmic scale
_MARKS = {False: "▁─▔", True: "_-'"}  # the heights inside a row, lowest first
Values = npt.NDArray[np.float64]


class Scale:
    """One vertical scale for several curves, so that they can be compared."""

    def __init__(self, curves: Sequence[Values]) -> None:
        found = np.concatenate([c[np.isfinite(c)] for c in curves] or [np.zeros(0)])
        found = found if len(found) else np.zeros(1)
        low, high = float(found.min()), float(found.max())
        self.log = low > 0 and math.log10(high / low) > DECADES
        self.low, self.high = (math.log10(low), math.log10(high)) if self.log else (low, high)

    def height(self, value: float) -> float:
        """Where a value lies, from 0 to 1; non-finite values lie at the top."""
        if not math.isfinite(value) or self.high <= self.low:
            return 1.0 if not math.isfinite(value) else 0.5
        at = math.log10(value) if self.log else value
        return min(1.0, max(0.0, (at - self.low) / (self.high - self.low)))


def chart(values: Values, width: int, scale: Scale, *, ascii_only: bool = False) -> list[str]:
    """Rows of text, top first; a column shows the mean of its values, `x` where one is not finite.

    Each value has at least one column, so that a short curve is drawn as wide as a long one.
    """
    if not len(values):
        return []
    columns = [values[i * len(values) // width : _end(i, len(values), width)] for i in range(width)]
    marks = _MARKS[ascii_only]
    rows = [[" "] * width for _ in range(ROWS)]
    for i, column in enumerate(columns):
        mean = float(np.mean(column))
        level = round(scale.height(mean) * (ROWS * len(marks) - 1))
        row, mark = divmod(level, len(marks))
        rows[ROWS - 1 - row][i] = marks[mark] if math.isfinite(mean) else "x"
    return ["".join(row).rstrip() for row in rows]


def _end(column: int, count: int, width: int) -> int:
    return max((column + 1) * count // width, column * count // width + 1)
