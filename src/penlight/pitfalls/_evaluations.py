"""Groups evaluation passes: which of them judge the same samples."""

from __future__ import annotations

from penlight.core.facts import Objective, Predictions
from penlight.core.run import Run
from penlight.pitfalls._curves import proportion

SAME = 1e-3  # spread of a ratio that is the same but for rounding


def held_out_passes(run: Run) -> list[list[Predictions]]:
    """Passes over the same held-out samples in order of time, the longest history first.

    Passes of one loss call over the same number of samples are taken for passes over the same
    data. Those whose single losses the script weighs or masks are left out: their plain mean is not
    what it goes by.
    """
    groups: dict[tuple[str, int], list[Predictions]] = {}
    single = {o.site: o for o in run.all(Objective) if o.reduction == "none"}
    masked = {
        site for site, objective in single.items() if proportion(run, objective, SAME) is None
    }
    for seen in run.evaluations():
        if seen.objective in masked:
            continue
        groups.setdefault((seen.objective, seen.samples), []).append(seen)
    return sorted(groups.values(), key=len, reverse=True)
