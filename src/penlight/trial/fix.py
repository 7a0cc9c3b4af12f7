"""Diagnose, choose, try, prove: what `penlight fix` does, without a word to the terminal."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from penlight.core.finding import Diagnosis, Finding
from penlight.core.run import Run
from penlight.diagnosis import diagnose
from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.errors import PenlightError
from penlight.launch.target import Target, script_folder
from penlight.store.schema import segment_name
from penlight.trial.absence import Absence, absence
from penlight.trial.arm import SNAPSHOT, Job
from penlight.trial.arms import Arm, Local, OnRay, Pool, cores, slow_modules
from penlight.trial.bench import Bench, Listener, Quiet
from penlight.trial.confirm import Proof, proofs
from penlight.trial.cuts import Shorten
from penlight.trial.decide import MOST
from penlight.trial.interrupts import held
from penlight.trial.mirror import Trees, mirror
from penlight.trial.outcome import (
    FLATTERING,
    NAMES,
    Score,
    Source,
    curve,
    score,
    sources,
    telling,
)
from penlight.trial.parts import Joint, Part, Refusal, parts_of, patched_folder
from penlight.trial.result import Fix, Trial, patch
from penlight.trial.search import Search
from penlight.trial.short import shortened
from penlight.trial.tried import Tried

# Faults that make a good result look better, or a bad one worse, than it is.
UNTRUE = FLATTERING | {"misaligned-labels", "label-encoding", "loss-broadcast"}
UNBALANCED = {"class-imbalance-collapse"}
NOTED = 12.0  # runs spent at most on a script of which nothing but notes can be said


@dataclass(frozen=True)
class Options:
    """How a fix is looked for.

    Args:
        budget: what may be spent, in runs of the script as it is.
        minutes: what may be spent in all; None for no limit.
        pairs: most pairs of a confirmation.
        on: "local" or "ray".
        slots: arms at a time; 0 for one a core.
        policy: "doctor"; "random" and "rate" are for comparison.
        seed: of the random policy.
    """

    budget: float = 20.0
    minutes: float | None = None
    pairs: int = MOST
    on: str = "local"
    slots: int = 0
    policy: str = "doctor"
    seed: int = 0


def fix(
    target: Target,
    args: Sequence[str],
    options: Options = Options(),  # frozen
    *,
    listener: Listener | None = None,
    keep: Callable[[Path], None] | None = None,
) -> Fix:
    """Look for a cure of a script and prove it. The user's files are not touched.

    Args:
        target: the script.
        args: its own arguments.
        options: how to look.
        listener: told how it goes.
        keep: called with the recorded segment of the script as it is, before it is removed.

    Raises:
        PenlightError: the script cannot be run, or nothing can be tried here.
    """
    import time

    began = time.monotonic()
    listener = listener or Quiet()
    target.check()
    job, trees, script = _job(target, args)
    root = Path(job.folder)
    with ExitStack() as stack:
        with held():
            scratch = Path(os.path.realpath(tempfile.mkdtemp(prefix="penlight-fix-")))
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        listener.phase("copying the project")
        (scratch / SNAPSHOT).mkdir()
        mirror(trees, scratch / SNAPSHOT, [root])
        modules = slow_modules((root / script).read_text("utf-8", "replace"))
        with held():  # a process that nobody knows of would go on
            pool = _pool(options, scratch, modules)
            stack.callback(pool.close)
        seconds = None if options.minutes is None else 60 * options.minutes
        bench = Bench(pool, job, listener, options.budget, seconds)
        listener.phase("running the script as it is")
        control = bench.first()
        if keep is not None and (control.place / segment_name(0)).exists():
            keep(control.place / segment_name(0))
        copies = _Copies(scratch, trees, root, script, tuple(args))
        doctor = Doctor(
            bench, control, str(target), script, root, copies.scene, copies.texts, options
        )
        found = doctor.work()
        return replace(
            found, cost=bench.cost, spent=bench.spent, arms=bench.arms,
            seconds=time.monotonic() - began,
        )  # fmt: skip


def _job(target: Target, args: Sequence[str]) -> tuple[Job, Trees, str]:
    """The script as it is, the folders it lives in, and its path in the project."""
    cwd = Path(os.path.realpath(Path.cwd()))
    name = target.name
    if target.kind == "module":
        script = module_file(target.name, cwd)
        root, trees = cwd, Trees((cwd,))
    else:
        path = Path(os.path.realpath(target.name))
        root, script = Path(script_folder(target.name)), path.name
        trees = Trees.around(path, cwd)
        if len(trees.roots) > 1 or Path(name).is_symlink() or Path(name).is_absolute():
            name = str(path)
    job = Job(
        target.kind, name, tuple(args), str(cwd), tuple(map(str, trees.roots)), str(root),
        temp=tempfile.gettempdir(),
    )  # fmt: skip
    return job, trees, script


def module_file(name: str, cwd: Path) -> str:
    """The file of a module, relative to a folder.

    Raises:
        PenlightError: it lies elsewhere.
    """
    base = Path(*name.split("."))
    for candidate in (base.with_suffix(".py"), base / "__main__.py"):
        if (cwd / candidate).is_file():
            return candidate.as_posix()
    raise PenlightError(
        f"-m {name} is not a file below {cwd}, so it cannot be edited: "
        "start from the project's own folder."
    )


def _pool(options: Options, scratch: Path, modules: Sequence[str]) -> Pool:
    if options.on == "ray":
        return OnRay(scratch, options.slots, modules)
    return Local(scratch, options.slots or cores(), modules)


@dataclass
class _Copies:
    """Copies of the project's folder, one for each scene."""

    scratch: Path
    trees: Trees
    root: Path
    script: str
    args: tuple[str, ...]
    _made: int = 0

    def scene(self, made: Joint, run: Run) -> Scene:
        """The project with a joint prescription made, and a run of it."""
        folder = self.root
        if made.texts:
            self._made += 1
            snapshot = self.trees.mapped(self.root, self.scratch / SNAPSHOT)
            folder = patched_folder(snapshot, self.scratch / f"scene{self._made:03d}", made.texts)
        return Scene(Project(folder, self.script), run, self.args)

    def texts(self, made: Joint) -> dict[str, tuple[str, str]]:
        """(before, after) of every file that it changes."""
        found = {}
        for file, after in made.texts.items():
            with (self.root / file).open(encoding="utf-8", newline="") as stream:
                before = stream.read()
            if before != after:
                found[file] = (before, after)
        return found


@dataclass
class Doctor:
    """One visit.

    Args:
        bench: runs the arms.
        control: the training as it is.
        title: what is treated, in words.
        script: its file.
        root: the folder of that file.
        scene_of: makes the scene in which a joint prescription is in place, with its run.
        texts_of: (before, after) of the files that a joint prescription changes.
        options: how to look.
        shorten: the texts of a scene with its training cut to a share, and the true share.
        hint: what helps where no outcome can be seen.
    """

    bench: Bench
    control: Arm
    title: str
    script: str
    root: Path
    scene_of: Callable[[Joint, Run], Scene]
    texts_of: Callable[[Joint], dict[str, tuple[str, str]]]
    options: Options
    shorten: Shorten = shortened
    hint: str = "Print one line such as `val acc 0.93` at the end."
    measure: str = ""  # what is shown of an outcome
    outcome: str = ""  # its name in words

    def work(self) -> Fix:
        control = self.control
        if not control.done:
            raise PenlightError(
                f"The script left no result behind ({control.error}): does it end by os._exit, or "
                "was it killed?",
                1,
            )
        run = control.run
        diagnosis = diagnose(run)
        diagnosis = replace(
            diagnosis,
            meta={**diagnosis.meta, "script": self.title, "script_exit": control.status},
        )
        plain = Fix(diagnosis, run, self.script, self.root)
        refused = control.failed and control.done.get("refused")
        if refused or (control.failed and not diagnosis.alarms):
            return replace(
                plain, why=f"The training itself fails: {control.error}.{_hint(control)}"
            )
        if not run.steps and not diagnosis.alarms:
            return replace(plain, why="No optimiser step was seen, so there is nothing to judge.")
        scene = self.scene_of(Joint(), run)
        found = sources(control)
        if not diagnosis.alarms:
            # A note has harmed nothing that we saw; that its cure helps would be the proof.
            if not found or not parts_of(diagnosis, scene)[0]:
                return plain
            self.bench.budget = min(self.bench.budget, NOTED)
        elif not found:
            return self._unscored(plain, scene)
        source = found[0]
        if any(f.pitfall in UNBALANCED for f in diagnosis.alarms):
            source = replace(source, balanced=True)
        untrue = self._untrue(diagnosis, scene)
        if untrue is not None:
            return replace(plain, refusals=untrue[1], why=untrue[0])
        search = Search(
            self.bench, scene, diagnosis, control, source, self.scene_of, self.shorten,
            self.options.policy, self.options.seed,
        )  # fmt: skip
        search.run()
        own = score(control, source)
        if search.best is not None:
            source = search.source_of(search.best.joint, source) or source
            own = score(control, source)
        self.measure = telling(own, search.best.score if search.best is not None else None)
        self.outcome = _outcome(self.measure, source)
        plain = replace(plain, refusals=tuple(search.refusals), outcome=self.outcome)
        return self._prove(plain, search, source)

    def _untrue(self, diagnosis: Diagnosis, scene: Scene) -> tuple[str, tuple[Refusal, ...]] | None:
        """Why no outcome can be trusted: a proven fault of the measuring that no edit repairs."""
        parts, refusals = parts_of(diagnosis, scene)
        repaired = {part.pitfall for part in parts}
        for finding in _proven_untrue(diagnosis):
            if finding.pitfall not in repaired:
                own = tuple(r for r in refusals if r.pitfall == finding.pitfall)
                why = (
                    f"{finding.pitfall} makes every result of this script untrue, and no edit can "
                    "repair it here safely, so nothing was tried."
                )
                return why, own or tuple(refusals)
        return None

    def _unscored(self, plain: Fix, scene: Scene) -> Fix:
        parts, refusals = parts_of(plain.diagnosis, scene)
        untried = [
            Refusal(part.pitfall, part.do, "What it does cannot be seen.", _to_try(part))
            for part in parts
            if part.depth == 0
        ]
        return replace(
            plain,
            refusals=(*untried, *refusals),
            why="How well the training does cannot be seen: no call of a loss function on outputs "
            f"and targets, no accuracy, no printed metric. {self.hint}",
        )

    # -- proof --------------------------------------------------------------------------------

    def _prove(self, plain: Fix, search: Search, source: Source) -> Fix:
        trials: list[Trial] = []
        chosen: Tried | None = None
        for proof in proofs(search, source, self.options.pairs):
            trials.append(self._trial(proof))
            if proof.decision.verdict == "accept":
                chosen = proof.tried
        told = {t.prescription for t in trials}
        for tried in sorted(search.tried, key=lambda t: t.cut is not None):  # whole runs tell more
            if tried.joint.says not in told:
                told.add(tried.joint.says)
                trials.append(self._screened(tried))
        gone = absence(search) if chosen is None else None
        if gone is not None:
            chosen = gone.tried
            trials = [t for t in trials if t.prescription != chosen.joint.says]
            trials.append(self._gone(gone, source))
        trials.sort(key=lambda t: (t.verdict != "accept", -t.pairs))
        done = replace(plain, trials=tuple(trials))
        if chosen is None:
            why = _beyond_proof(plain.diagnosis, trials) or _why_not(search, trials)
            return replace(done, why="" if plain.healthy else why)
        texts = self.texts_of(chosen.joint)
        return replace(
            done,
            accepted=True,
            # The arms ran these very texts to the end: nothing is left to hope.
            confirmed=not chosen.arm.failed and chosen.cut is None,
            patch=patch(texts),
            texts=texts,
            after=diagnose(chosen.arm.run),
            curves={
                "before": curve(self.control, source, self.measure),
                "after": curve(chosen.arm, source, self.measure),
            },
            light={"before": self.control.run.light_now, "after": chosen.arm.run.light_now},
        )

    def _trial(self, proof: Proof) -> Trial:
        tried, decision = proof.tried, proof.decision
        shown = [(_shown(a, self.measure), _shown(b, self.measure)) for a, b in proof.values]
        assert decision.verdict is not None
        return Trial(
            tried.joint.says,
            _pitfall(tried.joint),
            tuple(map(str, tried.joint.edits)),
            decision.verdict,
            len(shown),
            self.outcome,
            _mean([a for a, _ in shown]),
            _mean([b for _, b in shown]),
            decision.error_rate,
            tuple(shown),
            why="" if proof.cut is None or decision.verdict == "accept" else "in shortened runs",
            length=1.0 if proof.cut is None else proof.cut.share,
            whole=(_shown(tried.own, self.measure), _shown(tried.score, self.measure)),
        )

    def _gone(self, gone: Absence, source: Source) -> Trial:
        after = [_shown(score(arm, source), self.measure) for arm in gone.arms]
        before = _shown(gone.tried.own, self.measure)
        return Trial(
            gone.tried.joint.says,
            _pitfall(gone.tried.joint),
            tuple(map(str, gone.tried.joint.edits)),
            "accept",
            len(after),
            self.outcome,
            before,
            _mean(after),
            whole=(before, after[0]),
            proof="absence",
        )

    def _screened(self, tried: Tried) -> Trial:
        shown = (_shown(tried.own, self.measure), _shown(tried.score, self.measure))
        return Trial(
            tried.joint.says,
            _pitfall(tried.joint),
            tuple(map(str, tried.joint.edits)),
            "harmful" if tried.arm.failed else tried.verdict(self.control),
            1,
            self.outcome,
            *shown,
            None,
            (shown,),
            tried.arm.error if tried.arm.failed else tried.torn,
            "; ".join(part.says for part in tried.new),
            1.0 if tried.cut is None else tried.cut.share,
        )


def _hint(control: Arm) -> str:
    """What helps against a failure that Penlight cannot repair."""
    if "get_ipython" in control.error:
        return " Take the notebook's own lines out of the exported script: get_ipython() and %..."
    return ""


def _proven_untrue(diagnosis: Diagnosis) -> list[Finding]:
    """What makes the results of a script untrue beyond doubt."""
    return [x for x in diagnosis.alarms if x.exact and x.pitfall in UNTRUE]


def _to_try(part: Part) -> str:
    return f"{part.do} To try it: {_run_with(part.edits)}"


def _run_with(edits: Iterable[object]) -> str:
    return " ".join(["penlight run", *(f"--with {edit}" for edit in edits), "SCRIPT"])


def _beyond_proof(diagnosis: Diagnosis, trials: Sequence[Trial]) -> str:
    """What to say of a repair that a result cannot judge, which the fault makes untrue; or ''.

    Nothing of one with which the script broke down.
    """
    proven = {x.pitfall for x in _proven_untrue(diagnosis)}
    ran = (t for t in trials if t.verdict != "accept" and t.after is not None)
    lost = next((t for t in ran if t.pitfall in proven), None)
    if lost is None:
        return ""
    return (
        f"While {lost.pitfall} is there the results of this script are untrue, so that a worse one "
        f"without it says nothing against the repair. Use it all the same: {_run_with(lost.edits)}."
    )


def _why_not(search: Search, trials: Sequence[Trial]) -> str:
    if not search.tried:
        if search.refusals:
            return "No prescription could be made in the source safely."
        return "There is no prescription that an edit can make for what was found."
    if any(t.pairs > 1 for t in trials):
        return "What looked best did not hold on fresh random numbers."
    return f"None of {len(search.tried)} prescriptions tried makes the result better."


def _pitfall(made: Joint) -> str:
    return next((p.pitfall for p in made.parts if p.pitfall), "")


def _outcome(measure: str, source: Source) -> str:
    if source.kind == "printed":
        return source.says
    return f"{NAMES[measure]} {source.says}"


def _shown(found: Score | None, measure: str) -> float | None:
    return None if found is None else round(found.value(measure), 6)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(sum(known) / len(known), 6) if known else None
