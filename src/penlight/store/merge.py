"""Puts the ranks of one training together: the numbers that one process would have measured.

Each rank keeps what it sees in a segment of its own, and no rank waits for another. Sums of squares
and means can be taken afterwards: over the parts of a parameter that is sharded, and over the parts
of a batch where each rank trains on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from penlight.core.facts import Blind, End, Fact, Parallel
from penlight.core.run import Series
from penlight.core.vocabulary import (
    ACT_ABSMAX,
    ACT_RMS,
    GRAD_NORM,
    LOSS,
    OUTPUT_GRAD,
    TRAVEL,
    UPDATE_BASE,
    UPDATE_RATIO,
    WEIGHT_NORM,
)

MOST = 64  # ranks that are put together: more would take minutes to load

Key = tuple[str, str]
Curves = dict[Key, Series]
Rows = npt.NDArray[np.float64]  # (ranks, steps)

# Over parts of a batch. The loss is a mean over a rank's own part, so dLoss/d(output) is `ranks`
# times as large there as it would be in one process.
BATCH: dict[str, Callable[[Rows], Rows]] = {
    LOSS.name: lambda x: x.mean(0),
    ACT_RMS.name: lambda x: np.sqrt(np.square(x).mean(0)),
    ACT_ABSMAX.name: lambda x: x.max(0),
    OUTPUT_GRAD.name: lambda x: np.sqrt(np.square(x).sum(0)) / len(x),
}
NORMS = (GRAD_NORM.name, WEIGHT_NORM.name)
RATIOS = (UPDATE_RATIO.name, TRAVEL.name)


def merge(how: Parallel, ranks: Sequence[Curves]) -> Curves:
    """The curves of a training from those of all its ranks, rank 0 first.

    A sharded parameter has a value at the steps at which every rank has one; so has a batch, and at
    its other steps what rank 0 saw.
    """
    with np.errstate(all="ignore"):  # a stored number may be anything
        return _merged(how, ranks)


def _merged(how: Parallel, ranks: Sequence[Curves]) -> Curves:
    merged = dict(ranks[0])
    for key, own in ranks[0].items():
        signal, site = key
        sharded = site in how.shards and signal in (*NORMS, *RATIOS)
        if not sharded and not (how.data and signal in BATCH):
            continue
        found = _common([curves.get(key) for curves in ranks])
        if found is None:
            if sharded:
                del merged[key]
            continue
        steps, rows = found
        if signal in RATIOS:
            bases = [curves.get((UPDATE_BASE.name, site)) for curves in ranks]
            weights = _bases(bases, steps, first=signal == TRAVEL.name)
            if weights is None:
                del merged[key]
                continue
            total = np.square(rows * weights).sum(0) / np.square(weights).sum(0)
            merged[key] = Series(signal, site, steps, np.sqrt(total))
        elif sharded:
            pieces = how.shards[site] / len(ranks)  # copies of one piece count once
            total = np.square(rows).sum(0) * pieces
            merged[key] = Series(signal, site, steps, np.sqrt(total))
        else:
            values = own.values.copy()
            values[np.isin(own.steps, steps)] = BATCH[signal](rows)
            merged[key] = Series(signal, site, own.steps, values)
    return merged


def _bases(
    found: Sequence[Series | None], steps: npt.NDArray[np.int64], first: bool
) -> Rows | None:
    """What the ratios of each rank are relative to; with `first` at its first step alone."""
    series = [each for each in found if each]
    if len(series) < len(found):
        return None
    if first:
        return np.array([[each.values[0]] for each in series])
    common = _common(series, steps)
    return None if common is None else common[1]


def lost(rank: int, facts: Sequence[Fact], curves: Curves) -> Blind | None:
    """What is to be said of a rank that failed or went without a word; None of a sound one."""
    end = next((x for x in reversed(facts) if isinstance(x, End)), None)
    last = max((int(s.steps[-1]) for s in curves.values() if len(s)), default=-1)
    if end is None:
        why = "it was killed, or is still running"
    elif end.error or end.script_exit not in (None, 0):
        why = end.error or f"it ended with exit status {end.script_exit}"
    else:
        return None
    when = f"after step {last}" if last >= 0 else "before its first step was written"
    return Blind(what=f"rank {rank} {when}", why=why)


def _common(
    found: Sequence[Series | None], steps: npt.NDArray[np.int64] | None = None
) -> tuple[npt.NDArray[np.int64], Rows] | None:
    """The steps at which all have a value, and the values; with `steps` all of these."""
    series = [each for each in found if each is not None]
    if len(series) < len(found):
        return None
    shared = series[0].steps if steps is None else steps
    for each in series:
        shared = shared[np.isin(shared, each.steps)]
    if not len(shared) or (steps is not None and len(shared) < len(steps)):
        return None
    rows = np.stack([each.values[np.searchsorted(each.steps, shared)] for each in series])
    return shared, rows
