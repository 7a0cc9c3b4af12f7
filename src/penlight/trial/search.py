"""Finds a joint prescription worth confirming, on one pair of random numbers.

What is proven is always in, and where it helps nothing else is tried before the result has been
diagnosed again, because one fault hides another. What is only likely is screened on shortened
trainings, several at a time, and the best of them run to the end; after a change that moves the
scale of the gradients the learning rate is searched anew. At the end, parts that were not needed
are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penlight.core.finding import Diagnosis
from penlight.core.run import Run
from penlight.diagnosis import diagnose
from penlight.edits import Refused
from penlight.edits.learning_rate import LearningRate
from penlight.edits.scene import Scene
from penlight.trial.arms import Arm
from penlight.trial.bench import Bench, Spent
from penlight.trial.cuts import Cuts, Shorten
from penlight.trial.decide import FEWEST
from penlight.trial.outcome import FLATTERING, Source, difference, score, sources
from penlight.trial.parts import (
    Joint,
    Part,
    Refusal,
    certain_joint,
    joint,
    no_matter_of_rates,
    parts_of,
    rates,
    rates_go_up,
)  # fmt: skip
from penlight.trial.short import Cut
from penlight.trial.tried import GAIN, Tried

ROUNDS = 4  # times that the best so far is diagnosed again
PASSES = 2  # over the candidates of a round
WIDTH = 6  # candidates of one pass
RATES = 4  # learning rates of one search
RERATED = 4  # changes that do not help as they stand, and are tried with other rates
CURED = 1.0  # log-ratio from which on nothing else is looked for
NEEDED = 0.1  # log-ratio that a part must bring to stay, and ...
NEEDED_SHARE = 0.05  # ... its share of the whole
CLOSE = 0.15  # log-ratio within which a screening does not tell two candidates apart
KEPT = 2  # candidates that a screening lets through


# A joint prescription, and the parts of it that are new.
Candidate = tuple[Joint, tuple[Part, ...]]


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
        shorten: the texts of a scene with its training cut to a share, and the true share.
        policy: how candidates are chosen: "doctor", or for comparison "random" and "rate".
    """

    bench: Bench
    scene: Scene
    diagnosis: Diagnosis
    control: Arm
    source: Source
    scene_of: Callable[[Joint, Run], Scene]
    shorten: Shorten
    policy: str = "doctor"
    seed: int = 0
    cut: Cut | None = None  # how candidates are screened in this round
    tried: list[Tried] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    best: Tried | None = None
    _seen: set[object] = field(default_factory=set)
    _rated: set[object] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.cuts = Cuts(self.bench, self.scene, self.control, self.source, self.shorten)

    def run(self) -> Tried | None:
        """The best joint prescription found; None when none is better than the script as it is."""
        try:
            self.cut = self.cuts.against({f.pitfall for f in self.diagnosis.causes})
            if self.policy == "rate":
                self._finish(self._rates(Joint(scene=self.scene), self.scene))
            elif self.policy == "random":
                from penlight.trial.blind import by_lot

                self._finish(by_lot(self))
            else:
                self._doctor()
        except Spent:
            pass
        self._complete()
        return self.best

    @property
    def ranked(self) -> list[Tried]:
        """Tried joints that gained something over their whole run, best first."""
        found = [t for t in self.tried if t.gain > GAIN and t.cut is None]
        return sorted(found, key=lambda t: -t.worth)

    # -- the doctor's way ---------------------------------------------------------------------

    def _doctor(self) -> None:
        scene, diagnosis, below = self.scene, self.diagnosis, Joint(scene=self.scene)
        for round_ in range(ROUNDS):
            self.cut = self.cuts.against({f.pitfall for f in diagnosis.causes})
            parts, refused = parts_of(diagnosis, scene, {str(e) for e in below.edits})
            if round_ == 0:
                self.refusals = refused
            before = self.best
            proven = self._round(scene, diagnosis, parts, below)
            # What is proven stays in, also where it shows no benefit: other faults may hide it.
            current = self.best if self.best is not before else proven
            if current is None:
                return
            below = current.joint
            scene, diagnosis = self._again(current)
            if not diagnosis.alarms:
                return

    def _round(
        self, scene: Scene, diagnosis: Diagnosis, parts: Sequence[Part], below: Joint
    ) -> Tried | None:
        """Try parts on top of a joint prescription; gives what became of the proven ones alone."""
        base = certain_joint(scene, parts)
        proven = None
        if base.parts:
            proven = self._proven(below.under(base), base.parts)
            if proven is not None and self._settled(proven):
                return proven
        candidates: list[Candidate] = []
        for part in parts:
            made = joint(scene, base.with_part(part))
            if made is not None and part not in base.parts:
                candidates.append((below.under(made), (part,)))
        before = self.best
        for _ in range(PASSES):
            board = self._board(scene, diagnosis, candidates, base, below)
            self._finish(board)
            # What looked good early may not last, and then others are left.
            if self.best is not before or not board:
                break
        return proven

    def _board(
        self,
        scene: Scene,
        diagnosis: Diagnosis,
        candidates: Sequence[Candidate],
        base: Joint,
        below: Joint,
    ) -> list[Tried]:
        """Candidates of a round that were not tried before, and what can be made of the best."""
        upwards = rates_go_up(diagnosis)
        board = self.screen(candidates, WIDTH)
        top = max((t for t in board if t.gain > GAIN), key=lambda t: t.worth, default=None)
        if top is not None:
            if any(part.new_rate for part in top.new) and top.gain < CURED:
                board += self._rates(top.joint, self._scene_of(top.joint, top.arm), upwards)
            return board + self._combine(scene, board, base, below)
        # No candidate helps as it stands: the others may hide it, or it needs another rate.
        whole = self._together(scene, diagnosis, candidates, base, board)
        if whole is not None:
            every = below.under(whole)
            board += self.screen([(every, whole.parts)], 1)
            if not any(t.gain > CURED for t in board):
                board += self._rates(every, self._scene_of(every), upwards)
            if any(t.gain > GAIN for t in board):
                return board
        own = [(below.under(base), base.parts)]
        structural = [m for m, new in [*own, *candidates] if any(p.new_rate for p in new)]
        for i, made in enumerate(structural[:RERATED]):
            if i < 2 or not any(t.gain > CURED for t in board):
                board += self._rates(made, self._scene_of(made), upwards, most=2)
        if not any(t.gain > GAIN for t in board) and not no_matter_of_rates(diagnosis):
            board += self._rates(below, scene, upwards)
        return board

    def _proven(self, made: Joint, parts: tuple[Part, ...]) -> Tried | None:
        """What is proven, by itself, to the end; None where it fails."""
        if made.key not in self._seen and self.affordable([(made, parts)], None):
            self._seen.add(made.key)
            self._take(self._measure([(made, parts)], None))
        found = (t for t in self._whole if t.joint.key == made.key and not t.arm.failed)
        return next(found, None)

    def _settled(self, proven: Tried) -> bool:
        """Whether repairing what is proven leaves nothing to try before the next diagnosis."""
        if {part.pitfall for part in proven.new} <= FLATTERING:
            return True  # what the script as it is reached is no measure any more
        if proven.gain <= GAIN:
            return False
        rate = any(isinstance(e, LearningRate) for e in proven.joint.edits)
        return bool(proven.alarms) or proven.gain > CURED or not rate

    def screen(self, candidates: Sequence[Candidate], most: int) -> list[Tried]:
        """Measure candidates that were not measured before, shortened where that tells enough.

        As many at a time as there are cores, the likeliest first, until one of them cures.
        """
        fresh = {c[0].key: c for c in reversed(candidates) if c[0].texts}
        wanted = [c for c in fresh.values() if c[0].key not in self._seen][::-1][:most]
        wanted = self.affordable(wanted, self.cut)
        found: list[Tried] = []
        size = max(2, self.bench.pool.slots)
        for first in range(0, len(wanted), size):
            some = wanted[first : first + size]
            self._seen.update(made.key for made, _ in some)
            group = self._measure(some, self.cut)
            self.tried += group
            found += group
            if any(t.gain > CURED for t in group):
                break
        return found

    def _finish(self, board: Sequence[Tried]) -> None:
        """Run the best of a screening to the end, the next ones where those do not hold."""
        good = sorted((t for t in board if t.gain > GAIN), key=lambda t: -t.worth)
        if not good:  # some things help late: the most promising one may
            good = [max(board, key=lambda t: t.gain)] if board else []
            good = [t for t in good if t.cut is not None and t.may_help_late]
        before = self.best
        first = [t for t in good if t.worth > good[0].worth - CLOSE or t.paces(good[0])][:KEPT]
        others = [t for t in good if t not in first][:KEPT]
        for group in (first, others):
            wanted = [(t.joint, t.new) for t in group]
            if self.best is before:
                self._take(self._measure(self.affordable(wanted, None), None))

    def _combine(
        self, scene: Scene, board: Sequence[Tried], base: Joint, below: Joint
    ) -> list[Tried]:
        """Two candidates that help alone may help more together."""
        helping = sorted((t for t in board if t.gain > GAIN), key=lambda t: -t.worth)
        best = helping[0]
        made = []
        for other in helping[1:]:
            if len(other.new) != 1 or len(best.new) != 1 or other.new[0].replaces(best.new[0]):
                continue
            found = joint(scene, [*base.parts, *best.new, *other.new])
            if found is not None:
                made.append((below.under(found), (*best.new, *other.new)))
        return self.screen(made, 2) if best.gain < CURED else []

    def _together(
        self,
        scene: Scene,
        diagnosis: Diagnosis,
        candidates: Sequence[Candidate],
        base: Joint,
        board: Sequence[Tried],
    ) -> Joint | None:
        """The likeliest candidate of every finding at once; what was not needed is dropped later.

        None where that is nothing new. Learning rates are left out: they are found anew.
        """
        failed = {part for t in board if t.arm.failed for part in t.new}
        met = {part.pitfall for part in base.parts}
        wanted = {
            f.pitfall for f in diagnosis.findings if f.role == "cause" or f.severity != "note"
        }
        found = base
        for _, (part,) in candidates:
            if part in failed or part.pitfall in met or part.pitfall not in wanted:
                continue
            rate = any(isinstance(e, LearningRate) for e in part.edits)
            if rate or any(part.replaces(other) for other in found.parts):
                met.add(part.pitfall)
                continue
            more = joint(scene, [*found.parts, part])
            if more is not None:
                found = more
                met.add(part.pitfall)
        return found if len(found.parts) > len(base.parts) + 1 else None

    def _rates(
        self, below: Joint, scene: Scene, upwards: bool = False, most: int = RATES
    ) -> list[Tried]:
        """Other learning rates on top of a joint prescription."""
        if below.structure in self._rated:
            return []
        self._rated.add(below.structure)
        self.bench.stage = "rates"
        made = []
        for part in rates(scene.run, scene, most, upwards):
            found = joint(scene, [part], below)
            if found is not None:
                made.append((found, (part,)))
        try:
            return self.screen(made, most)
        finally:
            self.bench.stage = "screening"

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

    def another(self) -> Tried | None:
        """What to prove when the best did not hold on fresh random numbers: the best together
        with the next one where that is no worse, or else the next one.

        Where nothing else helped, a repair that changes the scale of the steps gets other rates.
        """
        best = self.best
        assert best is not None
        other = self._next_to(best)
        if other is None:
            if any(p.new_rate for p in best.joint.parts):
                self._finish(self._rates(best.joint, self._scene_of(best.joint, best.arm)))
            return self._next_to(best)
        rest = [
            p for p in other.joint.parts
            if not any(p == q or p.replaces(q) for q in best.joint.parts)
        ]  # fmt: skip
        both = joint(self.scene, [*best.joint.parts, *rest]) if rest else None
        if both is not None and self.affordable([(both, ())], None):
            found = self._measure([(both, tuple(rest))], None)[0]
            self.tried += [found] if found not in self.tried else []
            if not found.arm.failed and found.gain > best.gain - CLOSE:
                return found
        return other

    def _next_to(self, best: Tried) -> Tried | None:
        return next((t for t in self.ranked if t.joint.key != best.joint.key), None)

    # -- trying -------------------------------------------------------------------------------

    @property
    def _whole(self) -> list[Tried]:
        return [t for t in self.tried if t.cut is None]

    def affordable(self, wanted: Sequence[Candidate], cut: Cut | None) -> list[Candidate]:
        """As many of them as leave enough for the best one's whole run and a confirmation."""
        share = 1.0 if cut is None else cut.share
        whole = 0.0 if cut is None else 1.0
        proof = 1.0 if self.cut is None else self.cut.share
        spent, found = 0.0, []
        for made, new in wanted:
            spent += share * made.length
            rest = whole * made.length + FEWEST * proof * (1 + made.length)
            if spent + rest <= self.bench.left:
                found.append((made, new))
        return found

    def _measure(self, wanted: Sequence[Candidate], cut: Cut | None) -> list[Tried]:
        if not wanted:
            return []
        if self.bench.stage == "diagnosis":
            self.bench.stage = "screening"
        self.bench.listener.phase(_phase(wanted))
        texts, whole = [], []
        for candidate in wanted:
            try:
                texts.append((candidate, self.cuts.texts(candidate[0], cut)))
            except Refused:  # an edit of the loop itself
                whole.append(candidate)
        steps = None if cut is None else cut.steps
        arms = self.bench.run([(text, 0) for _, text in texts], steps)
        control = self.bench.run([(self.cuts.texts(Joint(), cut), 0)], steps)[0]
        found = []
        for ((made, new), _), arm in zip(texts, arms, strict=True):
            source = self.source_of(made, self.source)
            own = None if source is None else score(control, source)
            got = None if arm.failed or source is None else score(arm, source)
            better = own is not None and got is not None and got.main[1] < own.main[1]
            gain = difference(own, got)
            alarms: frozenset[str] = frozenset()
            if cut is None and got is not None:
                causes = (f for f in diagnose(arm.run).alarms if f.role == "cause")
                alarms = frozenset(f.pitfall for f in causes)
            found.append(Tried(made, arm, own, got, gain, cut, new, better, alarms))
        return found + self._measure(whole, None)

    def source_of(self, made: Joint, source: Source) -> Source | None:
        """Where a joint prescription's outcome is read: not where its edits move the scale.

        None when that is the only place there is.
        """
        if not source.moved_by([e.name for e in made.edits]):
            return source
        steady = (s for s in sources(self.control) if s.kind in ("eval", "accuracy", "train"))
        return next(steady, None)

    def _take(self, found: Sequence[Tried]) -> None:
        self.tried += [t for t in found if t not in self.tried]
        for each in found:
            if each.arm.failed or each.score is None:
                continue
            better = self.best is None or each.worth > self.best.worth + GAIN
            if each.gain > GAIN and better:
                self.best = each

    def _complete(self) -> None:
        """Drop the parts of the best that it does as well without."""
        best = self.best
        if best is None or len(best.joint.parts) < 2:
            return
        self.bench.stage = "leave-one-out"
        for part in [p for p in best.joint.parts if not p.certain]:
            current = self.best
            assert current is not None
            rest = [p for p in current.joint.parts if p is not part]
            made = joint(self.scene, rest) if rest else None
            if made is None or made.key == current.joint.key:
                continue
            try:
                found = self._without(made, current)
            except Spent:
                return
            if found is not None:
                self.best = found

    def _without(self, made: Joint, current: Tried) -> Tried | None:
        """A joint with a part less, if it does as well."""

        def as_good(less: Tried, more: Tried) -> bool:
            lost = more.gain - less.gain
            return not less.arm.failed and lost < max(NEEDED, NEEDED_SHARE * more.gain)

        whole = next((t for t in self._whole if t.joint.key == made.key), None)
        if whole is None:
            cut = self.cuts.against([p.pitfall for p in current.joint.parts])
            two = [(current.joint, current.new), (made, ())]
            if cut is not None and self.affordable(two, cut):
                found = self._measure(two, cut)
                self.tried += found
                if found[0].cut is found[1].cut and not as_good(found[1], found[0]):
                    return None
            if not self.affordable([(made, ())], None):
                return None
            whole = self._measure([(made, ())], None)[0]
            self.tried.append(whole)
        good = as_good(whole, current) and whole.alarms <= current.alarms
        return whole if good else None


def _phase(wanted: Sequence[Candidate]) -> str:
    if len(wanted) == 1:
        said = "; ".join(p.says for p in wanted[0][1]) or wanted[0][0].says
        return f"trying: {said[:1].lower()}{said[1:]}"
    return f"trying {len(wanted)} candidates"
