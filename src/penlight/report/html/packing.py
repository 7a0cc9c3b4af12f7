"""Series on their way into a page: thinned so that spikes survive, packed as base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from penlight.core.run import Series

Steps = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
LARGEST = float(np.finfo(np.float32).max)


def thin(series: Series, columns: int) -> Series:
    """At most three points for each of `columns` equal spans of steps, the first and the last kept.

    A span keeps its lowest and its highest value and, when there is one, a non-finite value: a
    spike or a NaN of a single step is drawn however long the run.
    """
    steps, values = series.steps, series.values
    if len(values) <= 2 * columns:
        return series
    # Spans of steps, not of points: the probe looks more often at the start of a run. In float,
    # as the steps of somebody's file may be anything.
    at = steps.astype(np.float64)
    span = np.floor((at - at[0]) / (at[-1] - at[0] + 1) * columns)
    starts = np.flatnonzero(np.diff(span, prepend=-1))
    finite = np.isfinite(values)
    low = _places(np.where(finite, values, np.inf), starts, np.minimum)
    high = _places(np.where(finite, values, -np.inf), starts, np.maximum)
    odd = np.flatnonzero(~finite)
    odd = odd[np.unique(span[odd], return_index=True)[1]] if len(odd) else odd
    keep = np.unique(np.concatenate([[0, len(values) - 1], low, high, odd]))
    return Series(series.signal, series.site, steps[keep], values[keep])


def means(series: Series, columns: int) -> Series:
    """The mean of the finite values in each of `columns` equal spans, at its middle point."""
    clean = series.finite
    if len(clean) <= columns:
        return clean
    edges = np.linspace(0, len(clean), columns + 1).astype(np.int64)
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(clean.values, edges[:-1])
    middle = (edges[:-1] + edges[1:]) // 2
    return Series(series.signal, series.site, clean.steps[middle], sums / np.diff(edges))


def _places(values: Values, starts: npt.NDArray[np.intp], extreme: np.ufunc) -> Any:
    """Where each group has its extreme value first; groups begin at `starts`."""
    best = np.repeat(extreme.reduceat(values, starts), np.diff(starts, append=len(values)))
    hits = np.flatnonzero(values == best)
    group = np.searchsorted(starts, hits, side="right")
    return hits[np.unique(group, return_index=True)[1]]


class Pack:
    """Collects series for one page; equal columns of steps are kept once."""

    def __init__(self) -> None:
        self._columns: dict[bytes, int] = {}
        self._series: list[tuple[int, str]] = []

    def add(self, series: Series) -> int:
        """Take a series in; its number on the page."""
        steps = np.asarray(series.steps, "<u4").tobytes()
        place = self._columns.setdefault(steps, len(self._columns))
        # Infinite reads as not a number here; a finite value beyond float32 is drawn at its edge.
        clipped = np.where(
            np.isfinite(series.values), np.clip(series.values, -LARGEST, LARGEST), np.nan
        )
        values = np.asarray(clipped, "<f4").tobytes()
        self._series.append((place, base64.b64encode(values).decode("ascii")))
        return len(self._series) - 1

    def to_json(self) -> dict[str, Any]:
        """`columns`: steps as base64 of uint32; `series`: [column, base64 of float32]."""
        return {
            "columns": [base64.b64encode(x).decode("ascii") for x in self._columns],
            "series": self._series,
        }
