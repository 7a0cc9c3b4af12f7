"""Puts the ranks of one data-parallel run side by side."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from penlight.core.facts import Fact, Parameter, Peers, Shard
from penlight.core.run import Series
from penlight.core.vocabulary import WEIGHT_NORM

Curves = dict[tuple[str, str], Series]
Part = tuple[Curves, list[Fact]]
ROUNDING = 1e-5  # relative: ranks that add the same gradients agree in all bits


def beside(own: Part, others: Iterable[Part]) -> list[Fact]:
    """One `Peers` fact, or nothing when no other rank has left what could be compared.

    Args:
        own: curves and facts of rank 0, with its `Shard`.
        others: those of other ranks.
    """
    shard = _shard(own)
    pairs = [(part, other) for part in others if (other := _shard(part)) is not None]
    if shard is None or not pairs:
        return []
    spread = {
        (WEIGHT_NORM.name, x.name)
        for x in own[1]
        if isinstance(x, Parameter) and x.root == shard.root
    }
    rows = shared = 0
    steps: set[int] = set()
    apart, where, first = 0.0, "", -1
    mine = dict(zip(shard.steps, shard.rows, strict=False))
    for part, other in pairs:
        for step, theirs in zip(other.steps, other.rows, strict=False):
            if step in mine:
                known = set(theirs)
                steps.add(step)
                rows += len(mine[step])
                shared += sum(row in known for row in mine[step])
        if shard.synchronised and other.synchronised:
            gap, name, begin = _gap(own[0], part[0], spread)
            if gap > apart:
                apart, where, first = gap, name, begin
    fact = Peers(
        world=shard.world,
        compared=len(pairs),
        parallel=shard.parallel,
        steps=len(steps),
        rows=rows,
        shared=shared,
        fresh=_fresh(shard),
        apart=apart,
        where=where,
        first_step=first,
    )
    return [fact]


def _shard(part: Part) -> Shard | None:
    return next((x for x in part[1] if isinstance(x, Shard)), None)


def _fresh(shard: Shard) -> float:
    """Share of a rank's rows that it was not fed at an earlier step."""
    seen: set[float] = set()
    rows = fresh = 0
    for batch in shard.rows:
        rows += len(batch)
        fresh += sum(row not in seen for row in batch)
        seen.update(batch)
    return fresh / rows if rows else 1.0


def _gap(own: Curves, other: Curves, spread: set[tuple[str, str]]) -> tuple[float, str, int]:
    """Largest relative difference of a parameter's norm, its name, and the first step beyond
    rounding at which it shows."""
    worst, name, first = 0.0, "", -1
    for key in sorted(spread & own.keys() & other.keys()):
        series, twin = own[key], other[key]
        common, i, j = np.intersect1d(series.steps, twin.steps, return_indices=True)
        a, b = series.values[i], twin.values[j]
        with np.errstate(invalid="ignore", divide="ignore"):
            gaps = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
        gaps[~np.isfinite(gaps)] = 0.0
        if len(gaps) and float(gaps.max()) > max(worst, ROUNDING):
            worst, name = float(gaps.max()), key[1]
            first = int(common[np.argmax(gaps > ROUNDING)])
    return worst, name, first
