"""Groups evaluation passes: which of them judge the same samples."""

from __future__ import annotations

from penlight.core.facts import Predictions
from penlight.core.run import Run


def held_out_passes(run: Run) -> list[list[Predictions]]:
    """Passes over the same held-out samples in order of time, the longest history first.

    Passes of one loss call over the same number of samples are taken for passes over the same
    data.
    """
    groups: dict[tuple[str, int], list[Predictions]] = {}
    for seen in run.evaluations():
        groups.setdefault((seen.objective, seen.samples), []).append(seen)
    return sorted(groups.values(), key=len, reverse=True)
