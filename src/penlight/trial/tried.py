"""A joint prescription that was tried."""

from __future__ import annotations

from dataclasses import dataclass

from penlight.trial.arms import Arm
from penlight.trial.decide import Verdict
from penlight.trial.outcome import Score
from penlight.trial.parts import Joint, Part
from penlight.trial.short import Cut

GAIN = 0.05  # log-ratio that makes a candidate better than the best so far
PACE = {"learning-rate", "warmup", "cosine-schedule", "swap-optimizer"}  # edits of the steps' size
ALARM = 0.1  # log-ratio that a candidate must bring to make up for a fault that is still there


@dataclass(frozen=True)
class Tried:
    """A joint prescription that ran beside the script as it is, on pair 0."""

    joint: Joint
    arm: Arm
    own: Score | None  # of the script as it is, for as long
    score: Score | None
    gain: float  # log-ratio over the script as it is
    cut: Cut | None  # None where it ran to its end
    new: tuple[Part, ...]  # the parts that set it apart from what was there before
    shown_better: bool = False  # by the measure that is shown, if not by all together
    alarms: frozenset[str] = frozenset()  # causes that its own run shows

    @property
    def worth(self) -> float:
        """What candidates are ranked by: a run that still shows a fault is worth less."""
        return self.gain - ALARM * len(self.alarms)

    @property
    def may_help_late(self) -> bool:
        """Whether it is ahead, or repairs what is proven and is not behind."""
        return self.gain > 0 or (
            self.gain == 0 and not self.arm.failed and all(p.certain for p in self.new)
        )

    def paces(self, other: Tried) -> bool:
        """Whether two shortened trainings differ in how steps are sized, each in a way of its own.

        Which is the better one in the end a short training does not tell: it favours long steps
        (Wu et al., Understanding short-horizon bias in stochastic meta-optimization, ICLR 2018).
        """
        own, others = ({e.name for p in t.new for e in p.edits} for t in (self, other))
        sized = bool(own and others) and own | others <= PACE
        return sized and own != others and self.cut is not None

    @property
    def torn(self) -> str:
        """What to say where the measures of an outcome do not agree; '' where they do."""
        if self.gain > GAIN or not self.shown_better or self.own is None:
            return ""
        two = {"error", "missing"} <= set(self.own.measures)
        return "fewer errors, but worse probabilities" if two else ""

    def verdict(self, control: Arm) -> Verdict:
        """What one pair says of it, as far as it says anything."""
        if self.arm.digest and self.arm.digest == control.digest and not self.gain:
            return "no-effect"
        if self.gain < -GAIN and not self.shown_better:
            return "harmful"
        return "no-benefit" if not self.gain > GAIN else "undecided"
