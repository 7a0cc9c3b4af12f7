"""From findings to concrete parts of a prescription, and their texts."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penlight.core.finding import Diagnosis, Finding, Prescription
from penlight.core.run import Run
from penlight.edits import Edit, Refused, edit
from penlight.edits.learning_rate import TOO_LOW, LearningRate, apart, usual
from penlight.edits.more_epochs import MoreEpochs
from penlight.edits.scene import Scene
from penlight.errors import PenlightError
from penlight.trial.outcome import FLATTERING

VARIANTS = 4  # of one prescription
FACTORS = (0.1, 10.0, 0.3, 3.0, 0.01, 100.0)


@dataclass(frozen=True)
class Part:
    """One prescription made concrete: edits with their values.

    `certain` parts are proven faults' repairs and always in; `depth` counts the less likely
    values of one prescription.
    """

    pitfall: str
    do: str
    edits: tuple[Edit, ...]
    certain: bool = False
    depth: int = 0

    @property
    def says(self) -> str:
        return "; ".join(e.says for e in self.edits)

    @property
    def slots(self) -> frozenset[str]:
        return frozenset(e.slot for e in self.edits)

    @property
    def new_rate(self) -> bool:
        return any(e.new_rate for e in self.edits)

    def replaces(self, other: Part) -> bool:
        """Whether the two are about the same thing. A mere rate leaves another optimiser alone."""
        if all(isinstance(e, LearningRate) for e in self.edits):
            return all(isinstance(e, LearningRate) for e in other.edits)
        return bool(self.slots & other.slots)


@dataclass(frozen=True)
class Refusal:
    """A prescription that no edit could make here."""

    pitfall: str
    do: str
    why: str
    instruction: str


@dataclass(frozen=True)
class Joint:
    """Parts that are made together, and the texts that result.

    `scene` is the project with all of them made.
    """

    parts: tuple[Part, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    scene: Scene | None = field(default=None, repr=False, compare=False)

    @property
    def edits(self) -> tuple[Edit, ...]:
        return tuple(e for part in self.parts for e in part.edits)

    @property
    def says(self) -> str:
        return "; ".join(dict.fromkeys(part.says for part in self.parts))

    @property
    def length(self) -> float:
        """Its training's length, in those of the script as it is."""
        return math.prod(e.factor for e in self.edits if isinstance(e, MoreEpochs))

    @property
    def structure(self) -> tuple[str, ...]:
        """Its edits but for the learning rate."""
        return tuple(str(e) for e in self.edits if not isinstance(e, LearningRate))

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.texts.items()))

    def under(self, above: Joint) -> Joint:
        """This one with another that was made on top of it."""
        kept = (p for p in self.parts if not any(new.replaces(p) for new in above.parts))
        return Joint((*kept, *above.parts), {**self.texts, **above.texts}, above.scene)

    def with_part(self, part: Part) -> tuple[Part, ...]:
        """Its parts with one more, which takes the place of those about the same thing."""
        return (*(p for p in self.parts if not part.replaces(p)), part)


def parts_of(
    diagnosis: Diagnosis, scene: Scene, known: Iterable[str] = ()
) -> tuple[list[Part], list[Refusal]]:
    """All parts that can be made for the findings, the likeliest first.

    Args:
        diagnosis: ranked findings.
        scene: the source, and the run that was diagnosed.
        known: edits, as text, that are not wanted again.
    """
    found: list[tuple[tuple[int, ...], Part]] = []
    untrue = flattered(diagnosis)
    refusals: list[Refusal] = []
    seen = set(known)
    for finding in diagnosis.findings:
        if untrue and finding.pitfall not in untrue:
            continue  # first what makes the others' outcomes untrue
        order = _order(finding)
        for place, prescription in enumerate(finding.prescriptions):
            made, refused = _made(finding, prescription, scene)
            if refused is not None and not made:
                refusals.append(refused)
            for depth, edits in enumerate(made):
                key = " ".join(map(str, edits))
                if key in seen:
                    continue
                seen.add(key)
                exact = finding.exact and finding.severity != "note"
                certain = all(e.certain for e in edits) or exact
                part = Part(finding.pitfall, prescription.do, edits, certain, depth)
                found.append(((order, depth, finding.rank, place), part))
    return [part for _, part in sorted(found, key=lambda item: item[0])], refusals


def _order(finding: Finding) -> int:
    """Causes first, then their symptoms, then notes."""
    if finding.severity == "note":
        return 2
    return 0 if finding.role == "cause" else 1


def _made(
    finding: Finding, prescription: Prescription, scene: Scene
) -> tuple[list[tuple[Edit, ...]], Refusal | None]:
    """The values of a prescription that can be made in the source, or why none can."""
    if not prescription.edits:
        return [], Refusal(finding.pitfall, prescription.do, "No edit makes it.", prescription.do)
    values: list[list[Edit]] = []
    refused: Refused | None = None
    for name in prescription.edits:
        try:
            values.append(list(itertools.islice(edit(name).propose(scene, finding), VARIANTS)))
        except Refused as reason:
            values.append([])
            refused = reason
        except PenlightError as error:
            return [], Refusal(finding.pitfall, prescription.do, str(error), prescription.do)
    found = []
    for edits in itertools.islice(itertools.product(*values), VARIANTS):
        try:
            if scene.after(edits).project.texts != scene.project.texts:
                found.append(edits)
        except Refused as reason:
            refused = refused or reason
    if found:
        return found, None
    why = refused.why if refused is not None else "There is nothing to change here."
    instruction = (refused.instruction if refused is not None else "") or prescription.do
    return [], Refusal(finding.pitfall, prescription.do, why, instruction)


def joint(scene: Scene, parts: Sequence[Part], below: Joint | None = None) -> Joint | None:
    """Parts made together; None where they do not go together.

    Args:
        scene: where the parts are made.
        parts: in order; the learning rate goes last.
        below: what the scene's own files hold already.
    """
    ordered = sorted(parts, key=lambda p: any(isinstance(e, LearningRate) for e in p.edits))
    try:
        edited = scene.after(e for part in ordered for e in part.edits)
    except Refused:
        return None
    return (below or Joint()).under(Joint(tuple(ordered), edited.project.texts, edited))


def certain_joint(scene: Scene, parts: Sequence[Part]) -> Joint:
    """All certain parts that go together, one a slot, the likeliest value of each."""
    chosen: list[Part] = []
    taken: set[str] = set()
    prescribed: set[str] = set()
    for part in parts:
        if not part.certain or part.slots & taken or part.pitfall in prescribed:
            continue
        if joint(scene, [*chosen, part]) is not None:
            chosen.append(part)
            taken |= part.slots
            prescribed.add(part.pitfall)
    return joint(scene, chosen) or Joint()


def rates(run: Run, scene: Scene, most: int, upwards: bool = False) -> Iterator[Part]:
    """Other learning rates worth trying: the usual ones, then around the run's own."""
    optimizers = run.optimizers
    now = optimizers[0].lr if optimizers else 0.0
    if {o.lr for o in optimizers} != {now} or not now > 0:
        return
    factors = sorted(FACTORS, key=lambda f: (f < 1) == upwards) if upwards else FACTORS
    around = (float(f"{now * f:.3g}") for f in factors)
    values = apart((*usual(optimizers[0].type), *around), now)
    for value in itertools.islice(values, most):
        part = Part("", "Find the learning rate anew.", (LearningRate(value),))
        if joint(scene, [part]) is None:
            return
        yield part


def patched_folder(snapshot: Path, target: Path, texts: Mapping[str, str]) -> Path:
    """A copy of the project's folder with texts in place, for a scene that starts from there."""
    shutil.copytree(snapshot, target, symlinks=True)
    for file, text in texts.items():
        path = target / file
        path.unlink(missing_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
    return target


def rates_go_up(diagnosis: Diagnosis) -> bool:
    """Whether higher learning rates are to be tried first."""
    return any(f.pitfall in TOO_LOW for f in diagnosis.causes[:1])


def flattered(diagnosis: Diagnosis) -> set[str]:
    """The alarms that make every outcome of the script untrue: nothing else is proven on those."""
    return {f.pitfall for f in diagnosis.alarms} & FLATTERING


def no_matter_of_rates(diagnosis: Diagnosis) -> bool:
    """Whether what is wrong is beyond any edit, as wrong data are, or proven and something else."""
    causes = [f for f in diagnosis.alarms if f.role == "cause"]
    if flattered(diagnosis):
        return True
    edits = {e for f in diagnosis.alarms for p in f.prescriptions for e in p.edits}
    rate = any("learning-rate" in p.edits for f in causes for p in f.prescriptions)
    return not edits or (all(f.exact for f in causes) and not rate)
