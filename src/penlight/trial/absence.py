"""Proves the repair of a fault that flatters: it is gone in every run, and the model still learns.

A language model that sees its answers has a lower loss than an honest one, so that outcomes of the
script as it is say nothing of the repaired one. One that is asked for the token after the next is
as good at that as it will be at the next one: the two outcomes answer different questions.
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
from penlight.trial.parts import flattered
from penlight.trial.search import Search
from penlight.trial.tried import Tried

ASKED_OTHERWISE = {"misaligned-labels"}  # where it is proven, the repair asks another question


@dataclass(frozen=True)
class Absence:
    """A repair, and its whole runs, in none of which the fault is left."""

    tried: Tried
    arms: tuple[Arm, ...]


def absence(search: Search) -> Absence | None:
    """The repair of faults that flatter, if one takes them away on fresh random numbers."""
    alarms = search.diagnosis.alarms
    faults = flattered(search.diagnosis) | {
        f.pitfall for f in alarms if f.exact and f.pitfall in ASKED_OTHERWISE
    }
    known = frozenset(f.pitfall for f in alarms) - faults
    for tried in search.tried:
        parts = tried.joint.parts
        repairs = {p.pitfall for p in parts} <= faults and all(p.certain for p in parts)
        if tried.cut is not None or not parts or not repairs:
            continue
        if not _sound(tried.arm, known, faults):
            continue
        text = search.cuts.texts(tried.joint, None)
        bench = search.bench
        if bench.left <= 0:
            return None  # what has begun is finished, even where it takes a little more
        bench.stage = "confirmation"
        bench.listener.phase("looking for the fault on fresh random numbers")
        try:
            arms = bench.run([(text, k) for k in range(1, FEWEST + 1)], reserved=True)
        except Spent:
            return None
        if all(_sound(arm, known, faults) for arm in arms):
            return Absence(tried, (tried.arm, *arms))
    return None


def _sound(arm: Arm, known: frozenset[str], faults: set[str]) -> bool:
    """Whether an arm ended, learnt, and shows none of the faults and no proven new one."""
    if arm.failed or not _learns(arm.run):
        return False
    left = [f for f in diagnose(arm.run).alarms if f.exact or f.pitfall in faults]
    return all(f.pitfall in known for f in left)


def _learns(run: Run) -> bool:
    """Whether the loss ends finite, and lower than it began."""
    values = max((s.values for s in run.every(LOSS)), key=len, default=np.zeros(0))
    if len(values) < 2:
        return False
    few = max(1, len(values) // 5)
    return bool(np.isfinite(values).all()) and bool(values[-few:].mean() < values[:few].mean())
