"""Proves the repair of a fault that flatters: it is gone in every run, and the model still learns.

A language model that sees its answers has a lower loss than an honest one, so that outcomes of the
script as it is say nothing of the repaired one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penlight.core.run import Run
from penlight.core.vocabulary import LOSS
from penlight.diagnosis import diagnose
from penlight.trial.arms import Arm
from penlight.trial.bench import Spent
from penlight.trial.decide import FEWEST
from penlight.trial.outcome import FLATTERING
from penlight.trial.search import Search
from penlight.trial.tried import Tried


@dataclass(frozen=True)
class Absence:
    """A repair, and its whole runs, in none of which the fault is left."""

    tried: Tried
    arms: tuple[Arm, ...]


def absence(search: Search) -> Absence | None:
    """The repair of proven faults that flatter, if one takes them away on fresh random numbers."""
    proven = {f.pitfall for f in search.diagnosis.alarms if f.exact} & FLATTERING
    known = frozenset(f.pitfall for f in search.diagnosis.alarms) - proven
    for tried in search.tried:
        parts = tried.joint.parts
        repairs = {p.pitfall for p in parts} <= proven and all(p.certain for p in parts)
        if tried.cut is not None or not parts or not repairs or not _sound(tried.arm, known):
            continue
        text = search.texts(tried.joint, None)
        bench = search.bench
        if bench.left <= 0:
            return None  # what has begun is finished, even where it takes a little more
        bench.stage = "confirmation"
        bench.listener.phase("looking for the fault on fresh random numbers")
        try:
            arms = bench.run([(text, k) for k in range(1, FEWEST + 1)], reserved=True)
        except Spent:
            return None
        if all(_sound(arm, known) for arm in arms):
            return Absence(tried, (tried.arm, *arms))
    return None


def _sound(arm: Arm, known: frozenset[str]) -> bool:
    """Whether an arm ended, learnt something, and shows no proven fault that is new."""
    if arm.failed or not _learns(arm.run):
        return False
    return all(f.pitfall in known for f in diagnose(arm.run).alarms if f.exact)


def _learns(run: Run) -> bool:
    """Whether the loss ends finite, and lower than it began."""
    values = max((s.values for s in run.every(LOSS)), key=len, default=np.zeros(0))
    if len(values) < 2:
        return False
    few = max(1, len(values) // 5)
    return bool(np.isfinite(values).all()) and bool(values[-few:].mean() < values[:few].mean())
