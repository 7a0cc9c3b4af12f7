"""Finds a joint prescription worth confirming, on one pair of random numbers.

What is proven is always in. What is only likely is tried on top of it, several at a time; the best
is diagnosed again, because one fault hides another; after a change that moves the scale of the
gradients the learning rate is searched anew. At the end, parts that were not needed are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penlight.core.finding import Diagnosis
from penlight.core.run import Run
from penlight.diagnosis import diagnose
from penlight.edits.learning_rate import TOO_LOW
from penlight.edits.scene import Scene
from penlight.trial.arms import Arm
from penlight.trial.bench import Bench, Spent
from penlight.trial.decide import FEWEST, Verdict
from penlight.trial.outcome import Score, Source, difference, score, sources
from penlight.trial.parts import Joint, Part, Refusal, certain_joint, joint, parts_of, rates

ROUNDS = 3  # times that the best so far is diagnosed again
WIDTH = 6  # candidates of one round
RATES = 4  # learning rates of one search
GAIN = 0.05  # log-ratio that makes a candidate better than the best so far
ALARM = 0.1  # log-ratio that a candidate must bring to make up for a fault that is still there
CURED = 1.0  # log-ratio from which on a run without findings needs no other learning rate
NEEDED = 0.1  # log-ratio that a part must bring to stay, and ...
NEEDED_SHARE = 0.05  # ... its share of the whole
LONG = 60.0  # seconds of the script as it is, from which on screening stops short
KEPT = 3  # candidates that a short screening lets through
# Where the end of the run is what is wrong, or what an early look would judge wrongly.
LATE = {
    "overfitting", "excessive-regularisation", "lr-schedule-exhausted", "stopped-too-early",
    "train-val-leakage", "underfitting-capacity",
}  # fmt: skip
DEEP = {"vanishing-gradient", "forward-collapse", "saturated-activation", "exploding-gradient"}


# A joint prescription, and the parts of it that are new.
Candidate = tuple[Joint, tuple[Part, ...]]


@dataclass(frozen=True)
class Tried:
    """A joint prescription that ran beside the script as it is, on pair 0."""

    joint: Joint
    arm: Arm
    score: Score | None
    gain: float  # log-ratio over the script as it is
    horizon: int | None
    new: tuple[Part, ...]  # the parts that set it apart from what was there before
    shown_better: bool = False  # by the measure that is shown, if not by all together
    alarms: frozenset[str] = frozenset()  # causes that its own run shows

    @property
    def worth(self) -> float:
        """What candidates are ranked by: a run that still shows a fault is worth less."""
        return self.gain - ALARM * len(self.alarms)

    def verdict(self, control: Arm) -> Verdict:
        """What one pair says of it, as far as it says anything."""
        if self.arm.digest and self.arm.digest == control.digest:
            return "no-effect"
        if self.gain < -GAIN and not self.shown_better:
            return "harmful"
        return "no-benefit" if not self.gain > GAIN else "undecided"


@dataclass
class Search:
    """One search; `run` once.

    Args:
        bench: runs the arms.
        scene: the project and the run of the script as it is.
        diagnosis: of that run.
        control: that run's arm.
        source: where outcomes are read.
        scene_of: makes the scene in which a joint prescription is in place, with its run.
        policy: how candidates are chosen: "doctor", or for comparison "random" and "rate".
    """

    bench: Bench
    scene: Scene
    diagnosis: Diagnosis
    control: Arm
    source: Source
    scene_of: Callable[[Joint, Run], Scene]
    policy: str = "doctor"
    seed: int = 0
    tried: list[Tried] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    best: Tried | None = None
    _seen: set[object] = field(default_factory=set)
    _rated: set[object] = field(default_factory=set)

    def run(self) -> Tried | None:
        """The best joint prescription found; None when none is better than the script as it is."""
        try:
            if self.policy == "rate":
                self._rates(Joint(), self.scene)
            elif self.policy == "random":
                self._random()
            else:
                self._doctor()
        except Spent:
            pass
        self._complete()
        return self.best

    @property
    def ranked(self) -> list[Tried]:
        """Tried joints that gained something over their whole run, best first."""
        found = [t for t in self.tried if t.gain > GAIN and t.horizon is None]
        return sorted(found, key=lambda t: -t.worth)

    # -- the doctor's way ---------------------------------------------------------------------

    def _doctor(self) -> None:
        scene, diagnosis, below = self.scene, self.diagnosis, Joint()
        for round_ in range(ROUNDS):
            parts, refused = parts_of(diagnosis, scene, {str(e) for e in below.edits})
            if round_ == 0:
                self.refusals = refused
            before = self.best
            proven = self._round(scene, parts, below, upwards=_upwards(diagnosis))
            # What is proven stays in, also where it shows no benefit: other faults may hide it.
            current = self.best if self.best is not before else proven
            if current is None:
                return
            below = current.joint
            scene, diagnosis = self._again(current)
            if not diagnosis.alarms:
                return

    def _round(
        self, scene: Scene, parts: Sequence[Part], below: Joint, upwards: bool
    ) -> Tried | None:
        """Try parts on top of a joint prescription; gives what became of the proven ones alone."""
        base = certain_joint(scene, parts)
        candidates = [(made, base.parts) for made in [below.under(base)] if base.parts]
        for part in parts:
            made = joint(scene, base.with_part(part))
            if made is not None and part not in base.parts:
                candidates.append((below.under(made), (part,)))
        before = self.best
        self._try(candidates, WIDTH + bool(base.parts))
        proven = self._known(below.under(base)) if base.parts else None
        best = self.best
        if best is not None and best is not before:
            again, left = self._again(best)
            if any(part.new_rate for part in best.new) and (left.alarms or best.gain < CURED):
                self._rates(best.joint, again, upwards)
            self._combine(scene, best, parts, base, below)
            return proven
        # No candidate helps as it stands: the likeliest may only need another rate.
        structural = [made for made, new in candidates if any(p.new_rate for p in new)][:2]
        for made in structural:
            self._rates(made, self._scene_of(made), upwards, most=2)
        if self.best is before and not self._proven_only():
            self._rates(below, scene, upwards)
        return proven

    def _known(self, made: Joint) -> Tried | None:
        """A joint prescription that has run, if it ran to its end."""
        found = (t for t in self.tried if t.joint.key == made.key and not t.arm.failed)
        return next(found, None)

    def _proven_only(self) -> bool:
        """Whether all that is wrong is proven and no matter of the learning rate."""
        return all(f.exact for f in self.diagnosis.alarms if f.role == "cause")

    def _combine(
        self, scene: Scene, best: Tried, parts: Sequence[Part], base: Joint, below: Joint
    ) -> None:
        """Two candidates that help alone may help more together."""
        helping = [
            t for t in self.ranked if t is not best and len(t.new) == 1 and t.new[0] in parts
        ]
        made = []
        for other in helping[:2]:
            if best.new and other.new[0].slots & {s for p in best.joint.parts for s in p.slots}:
                continue
            found = joint(scene, [*base.parts, *(p for p in best.new if p in parts), *other.new])
            if found is not None and best.new[0] in parts:
                made.append((below.under(found), other.new))
        self._try(made, 2)

    def _rates(self, below: Joint, scene: Scene, upwards: bool = False, most: int = RATES) -> None:
        """Other learning rates on top of a joint prescription."""
        if below.structure in self._rated:
            return
        self._rated.add(below.structure)
        made = []
        for part in rates(scene.run, scene, most, upwards):
            found = joint(scene, [part], below)
            if found is not None:
                made.append((found, (part,)))
        self._try(made, most)

    def _again(self, tried: Tried) -> tuple[Scene, Diagnosis]:
        """The scene and the diagnosis of a tried joint's own run."""
        scene = self._scene_of(tried.joint, tried.arm)
        return scene, diagnose(scene.run)

    def _scene_of(self, made: Joint, arm: Arm | None = None) -> Scene:
        run = arm.run if arm is not None else self.scene.run
        if arm is None:
            found = next((t for t in self.tried if t.joint.key == made.key), None)
            run = found.arm.run if found is not None else run
        return self.scene_of(made, run)

    # -- for comparison -----------------------------------------------------------------------

    def _random(self) -> None:
        """Edits by lot, from all that can be made, without looking at the diagnosis."""
        import random

        from penlight.core.finding import Finding
        from penlight.edits import Refused, edits

        lot = random.Random(self.seed)
        names = list(edits())
        while True:
            parts: list[Part] = []
            for name in lot.sample(names, min(len(names), lot.randint(1, 3))):
                blind = Finding(pitfall="", says="")
                try:
                    values = list(edits()[name].propose(self.scene, blind))
                    if values:
                        value = lot.choice(values)
                        self.scene.after([value])
                        parts.append(Part("", value.says, (value,)))
                except Refused:
                    continue
            made = joint(self.scene, parts) if parts else None
            if not self._affordable([(Joint(), ())]):
                return
            if made is not None:
                self._try([(made, tuple(parts))], 1)

    # -- trying -------------------------------------------------------------------------------

    def _affordable(self, wanted: Sequence[Candidate]) -> list[Candidate]:
        """As many of them as leave enough for a confirmation."""
        share, spent, found = self.bench.share(self._horizon()), 0.0, []
        for made, new in wanted:
            spent += share * made.length
            if spent + FEWEST * (1 + made.length) <= self.bench.left:
                found.append((made, new))
        return found

    def _horizon(self) -> int | None:
        """Optimiser steps of a screening; None for the whole run."""
        if self.bench.unit < LONG or not self.bench.steps:
            return None
        names = {f.pitfall for f in self.diagnosis.alarms}
        if names & LATE:
            return None
        return max(100, round(self.bench.steps * (0.3 if names & DEEP else 0.1)))

    def _try(self, candidates: Sequence[Candidate], most: int) -> None:
        """Measure candidates that were not measured before, at most so many, in their order."""
        fresh = {c[0].key: c for c in reversed(candidates) if c[0].texts}
        wanted = [c for c in fresh.values() if c[0].key not in self._seen][::-1][:most]
        wanted = self._affordable(wanted)
        self._seen.update(made.key for made, _ in wanted)
        horizon = self._horizon()
        if not wanted:
            return
        if horizon is not None and len(wanted) > KEPT:
            short = self._measure(wanted, horizon)
            self.tried += short
            keep = sorted(short, key=lambda t: -t.gain)[:KEPT]
            wanted = [(t.joint, t.new) for t in keep if t.gain > -GAIN]
        self._take(self._measure(wanted, None))

    def _measure(self, wanted: Sequence[Candidate], horizon: int | None) -> list[Tried]:
        self.bench.listener.phase(_phase(wanted))
        texts = [(made.texts, 0) for made, _ in wanted]
        control, source = self.control, self.source
        if horizon is not None:
            control = self.bench.run([({}, 0)], horizon)[0]
            source = next(iter(sources(control)), source)
        found = []
        for (made, new), arm in zip(wanted, self.bench.run(texts, horizon), strict=True):
            here = self.source_of(made, source)
            own = score(control, here or source)
            got = None if arm.failed or here is None else score(arm, here)
            better = own is not None and got is not None and got.main[1] < own.main[1]
            gain = difference(own, got)
            alarms: frozenset[str] = frozenset()
            if horizon is None and got is not None:
                causes = (f for f in diagnose(arm.run).alarms if f.role == "cause")
                alarms = frozenset(f.pitfall for f in causes)
            found.append(Tried(made, arm, got, gain, horizon, new, better, alarms))
        return found

    def source_of(self, made: Joint, source: Source) -> Source | None:
        """Where a joint prescription's outcome is read: not where its edits move the scale.

        None when that is the only place there is.
        """
        if not source.moved_by([e.name for e in made.edits]):
            return source
        steady = (s for s in sources(self.control) if s.kind in ("eval", "accuracy", "train"))
        return next(steady, None)

    def _take(self, found: Sequence[Tried]) -> None:
        self.tried += found
        for each in found:
            if each.arm.failed or each.score is None:
                continue
            better = self.best is None or each.worth > self.best.worth + GAIN
            if each.gain > GAIN and better:
                self.best = each

    def _complete(self) -> None:
        """Drop the parts of the best that it does as well without."""
        best = self.best
        if best is None:
            return
        uncertain = [p for p in best.joint.parts if not p.certain]
        if len(best.joint.parts) < 2 or not uncertain:
            return
        for part in uncertain:
            current = self.best
            assert current is not None
            rest = [p for p in current.joint.parts if p is not part]
            made = joint(self.scene, rest) if rest else None
            if made is None or not self._affordable([(made, ())]) or made.key == current.joint.key:
                continue
            known = next((t for t in self.tried if t.joint.key == made.key), None)
            try:
                found = known or self._measure([(made, ())], None)[0]
            except Spent:
                return
            lost = current.gain - found.gain
            as_good = lost < max(NEEDED, NEEDED_SHARE * current.gain)
            if not found.arm.failed and as_good and found.alarms <= current.alarms:
                self.best = found


def _upwards(diagnosis: Diagnosis) -> bool:
    return any(f.pitfall in TOO_LOW for f in diagnosis.causes[:1])


def _phase(wanted: Sequence[Candidate]) -> str:
    if len(wanted) == 1:
        said = "; ".join(p.says for p in wanted[0][1]) or wanted[0][0].says
        return f"trying: {said[:1].lower()}{said[1:]}"
    return f"trying {len(wanted)} candidates"
