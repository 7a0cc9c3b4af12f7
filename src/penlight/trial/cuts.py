"""How much of a training shows whether a change helps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.trial.arms import Arm
from penlight.trial.bench import Bench
from penlight.trial.outcome import Source, pairs
from penlight.trial.parts import Joint
from penlight.trial.short import LONGEST, Cut

LEAST = 60  # optimiser steps of a shortened training
# The share of a training that tells whether a change helps (../shared/notes/repair.md, 3.4): the
# sign was right after 2 to 5% for rates and dead units, after 30% for depth.
SOON, DEEP_SHARE = 0.2, 0.3
DEEP = {"vanishing-gradient", "forward-collapse", "saturated-activation", "exploding-gradient"}
# Where the end of the run is what is wrong, or what an early look would judge wrongly.
LATE = {
    "overfitting", "excessive-regularisation", "lr-schedule-exhausted", "stopped-too-early",
    "train-val-leakage", "underfitting-capacity",
}  # fmt: skip

Shorten = Callable[[Scene, float], tuple[Mapping[str, str], float]]


@dataclass
class Cuts:
    """Cuts the training of one search.

    Args:
        bench: runs the arms.
        scene: the project and the run of the script as it is.
        control: that run's arm.
        source: where outcomes are read.
        shorten: the texts of a scene with its training cut to a share, and the true share.
    """

    bench: Bench
    scene: Scene
    control: Arm
    source: Source
    shorten: Shorten
    _sound: float = 1.0  # the smallest share at which the script as it is runs to its end

    def against(self, pitfalls: Collection[str]) -> Cut | None:
        """How much of a training shows whether a change against these helps; None for all.

        Raises:
            Spent: there is no time left to find out.
        """
        if set(pitfalls) & LATE or not self.bench.steps:
            return None
        share = DEEP_SHARE if set(pitfalls) & DEEP else SOON
        return self.at(max(share, LEAST / self.bench.steps))

    def at(self, share: float) -> Cut | None:
        """A training cut to a share; None where that saves too little, or cannot be made.

        Raises:
            Spent: there is no time left to find out.
        """
        if share > LONGEST:
            return None
        try:
            cut = Cut(self.shorten(self.scene, share)[1])
        except Refused:
            steps = round(share * self.bench.steps)
            return Cut(share, steps) if self._seen_by(steps) else None
        if cut.share < self._sound and self._crashes(cut):
            return self.at(2 * cut.share)
        self._sound = min(self._sound, cut.share)
        return cut

    def texts(self, made: Joint, cut: Cut | None) -> Mapping[str, str]:
        """The texts to run for a joint prescription.

        Raises:
            Refused: its loop cannot be made shorter.
        """
        if cut is None or cut.steps is not None:
            return made.texts
        short, _ = self.shorten(made.scene or self.scene, cut.share)
        return {**made.texts, **short}

    def _crashes(self, cut: Cut) -> bool:
        """Whether the script needs what a shortened loop leaves out: a look in every tenth epoch.

        Costs no more than the screening would, which compares with the same run.
        """
        if self.control.failed:
            return False
        if self.bench.stage == "diagnosis":
            self.bench.stage = "screening"
        return self.bench.run([(self.texts(Joint(), cut), 0)])[0].failed

    def _seen_by(self, steps: int) -> bool:
        """Whether the outcome can be read already after so many steps."""
        if self.source.kind not in ("eval", "train"):
            return False
        here = (p for p in pairs(self.control) if p.phase == self.source.kind)
        return any(p.name == self.source.name and p.calls[0, 0] < steps for p in here)
