"""The cure of a training that lives in this process: the same search and the same proof, in memory.

An arm trains deep copies of the user's objects with the edits' live faces made. What it leaves
behind has the form of a script's arm, so that everything after it is shared.
"""

from __future__ import annotations

import copy
import functools
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penlight.core.run import Run
from penlight.edits import Edit, Refused, parse
from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.edits.training import Training
from penlight.errors import PenlightError
from penlight.probe import Probe
from penlight.probe.objective import WATCHED
from penlight.store.schema import segment_name
from penlight.store.writer import Writer
from penlight.trial.arm import DONE, PAIRS, Job
from penlight.trial.arms import Arm
from penlight.trial.bench import Bench, Listener
from penlight.trial.fix import Doctor, Options
from penlight.trial.result import Fix
from penlight.trial.samples import Samples
from penlight.trial.short import LONGEST

if TYPE_CHECKING:
    import torch

EDITS = "edits"  # the one "file" of a scene in memory: a line for each edit
ROUNDS = "rounds"  # another one, for a shortened training: how many epochs it has
SHIFT = 1000  # between the seeds of two pairs, as in scripts
TITLE = "the training in memory"
HINT = "Use a loss of torch.nn or torch.nn.functional."


def fix(
    given: Training, epochs: int, budget: float, minutes: float | None, listener: Listener
) -> tuple[Fix, Training | None]:
    """Look for a cure of a training in memory; its objects stay as they are.

    Args:
        given: the user's objects. Random numbers are drawn: see `randomness`.
        epochs: how often one training goes through the batches.
        budget: what may be spent, in such trainings.
        minutes: what may be spent in all; None for no limit.
        listener: told how it goes.

    Returns:
        What came of it, and the cured training once more from the start to its end; None when no
        cure was proven.

    Raises:
        PenlightError: the objects are not of a form that can be trained here.
    """
    began = time.monotonic()
    _check(given)
    with ExitStack() as stack:
        scratch = Path(tempfile.mkdtemp(prefix="penlight-fix-"))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        patient = Patient(given, epochs, _Seeds(given))
        job = Job("path", TITLE, (), "", (), "", {})
        bench = Bench(InProcess(patient, scratch), job, listener, budget, minutes and 60 * minutes)
        listener.phase("training as it is")
        control = bench.first()
        options = Options(budget=budget, minutes=minutes)
        doctor = Doctor(
            bench, control, TITLE, TITLE, scratch,
            lambda made, run: InMemory.of(patient, run, made.texts.get(EDITS, "")),
            lambda _: {},
            options, functools.partial(_shortened, patient), HINT,
        )  # fmt: skip
        found = doctor.work()
        cured = None
        if found.accepted:
            listener.phase("training under the cure")
            cured = patient.train(made(found.trials[0].edits), 0)
            if cured.loss is patient.loss:
                cured.loss = given.loss
        seconds = time.monotonic() - began
        found = replace(
            found, cost=bench.cost, spent=bench.spent, arms=bench.arms, seconds=seconds,
            in_memory=True,
        )  # fmt: skip
        return found, cured


def made(texts: Sequence[str]) -> list[Edit]:
    """Edits from their texts; of those about the same thing the newest."""
    found: dict[str, Edit] = {}
    for text in texts:
        edit = parse(text)
        found.pop(edit.slot, None)
        found[edit.slot] = edit
    return list(found.values())


# -- one training -------------------------------------------------------------------------------


@dataclass
class Patient:
    """The user's training, of which copies are made."""

    given: Training
    epochs: int
    seeds: _Seeds

    @functools.cached_property
    def loss(self) -> Any:
        """The user's loss, as the probe can see it."""
        return _late(self.given.loss)

    def copied(self, edits: Sequence[Edit], pair: int) -> Training:
        """Copies of the model, the optimiser and the loss, edited. Batches are shared: only read.

        Raises:
            Refused: an edit cannot be made on them.
        """
        self.seeds.set(pair)  # for edits that draw numbers
        model, optimizer, loss = _copies(self.given, self.loss)
        training = Training(
            model, optimizer, loss, self.given.batches, self.given.validation, self.given.zero_grad
        )
        for edit in edits:
            try:
                edit.live(training)
            except Refused:
                raise
            except Exception as error:  # an edit that the objects were not made for
                raise Refused(f"{edit.name} does not fit here: {error}") from error
        return training

    def train(
        self,
        edits: Sequence[Edit],
        pair: int,
        stop: Callable[[int], bool] = lambda _: False,
        watch: Callable[[Training], None] = lambda _: None,
        epochs: int | None = None,
    ) -> Training:
        """Train edited copies to their end, for fewer epochs, or until `stop(steps)`."""
        training = self.copied(edits, pair)
        watch(training)
        self.seeds.set(pair)  # both arms of a pair: the same batches and dropout
        steps = 0
        for _ in range(self.epochs if epochs is None else epochs):
            training.model.train()
            for batch in training.batches:
                _step(training, batch)
                steps += 1
                if stop(steps):
                    return training
            _evaluate(training)
        return training


def _step(training: Training, batch: Any) -> None:
    inputs, targets = _beside(training.model, batch)
    if training.zero_grad:
        training.optimizer.zero_grad()
    training.loss(training.model(inputs), targets).backward()
    for act in training.before_step:
        act(training)
    training.optimizer.step()
    for act in training.after_step:
        act(training)


def _evaluate(training: Training) -> None:
    import torch

    if training.validation is None:
        return
    training.model.eval()
    with torch.no_grad():
        for batch in training.validation:
            inputs, targets = _beside(training.model, batch)
            training.loss(training.model(inputs), targets)


def _beside(model: Any, batch: Any) -> Iterator[Any]:
    """Inputs and targets on the device of the model."""
    device = next(model.parameters()).device
    return (x.to(device) if hasattr(x, "to") else x for x in batch)


# -- arms ---------------------------------------------------------------------------------------


@dataclass
class InProcess:
    """A pool of one slot: arms run here, one after the other, when they are asked for."""

    patient: Patient
    scratch: Path
    slots: int = 1
    _queue: list[tuple[Job, float]] = field(default_factory=list)
    _arms: int = 0

    def start(self, job: Job, seconds: float) -> None:
        """Put a job in the queue."""
        self._queue.append((job, seconds))

    def finished(self, timeout: float) -> list[Arm]:  # noqa: ARG002  # a pool's signature
        """Run the next job to its end."""
        if not self._queue:
            return []
        job, seconds = self._queue.pop(0)
        self._arms += 1
        place = self.scratch / f"arm{self._arms:03d}"
        place.mkdir()
        return [self._run(job, place, seconds)]

    def close(self) -> None:
        """Nothing is left running."""

    def _run(self, job: Job, place: Path, seconds: float) -> Arm:
        began = time.monotonic()
        late, error = False, ""
        samples, sink = Samples(), Writer(place / segment_name(0))
        probes: list[Probe] = []

        def watch(training: Training) -> None:
            probe = Probe(
                sink, script=TITLE, mode="watch",
                models=(training.model,), optimizers=(training.optimizer,),
            )  # fmt: skip
            probe.start()
            probes.append(probe)
            samples.attach(probe)

        def stop(steps: int) -> bool:
            nonlocal late
            late = time.monotonic() - began > seconds
            return late or steps == job.horizon

        try:
            edits = made(job.texts.get(EDITS, "").splitlines())
            rounds = job.texts.get(ROUNDS)
            self.patient.train(edits, job.pair, stop, watch, int(rounds) if rounds else None)
        except Exception as failure:  # how this training ends, as a script's
            error = f"{type(failure).__name__}: {failure}"
        finally:
            samples.detach()
            for probe in probes:
                probe.finish(1 if error else 0, error)
            sink.close()
        done = {
            "exit": 1 if error else 0,
            "error": error[:500],
            "steps": samples.step,
            "seconds": time.monotonic() - began,
            "digest": samples.save(place / PAIRS),
        }
        (place / DONE).write_text(json.dumps(done), encoding="utf-8")
        return Arm(job, place, 1 if error else 0, late)


@dataclass(frozen=True)
class InMemory(Scene):
    """A scene without files: what was seen of a training, and the edits made on it so far."""

    patient: Patient | None = None

    @classmethod
    def of(cls, patient: Patient, run: Run, lines: str) -> InMemory:
        """The scene of a run with the edits of these lines made."""
        return cls(Project(Path("/nonexistent"), "", {EDITS: lines}), run, patient=patient)

    def after(self, edits: Any) -> InMemory:
        """The scene after some edits, tried on copies."""
        assert self.patient is not None
        lines = self.project.texts[EDITS].splitlines()
        wanted = made([*lines, *map(str, edits)])
        self.patient.copied(wanted, 0)
        text = "".join(f"{edit}\n" for edit in wanted)
        return InMemory(replace(self.project, texts={EDITS: text}), self.run, patient=self.patient)


def _shortened(patient: Patient, scene: Scene, share: float) -> tuple[Mapping[str, str], float]:
    """The texts of a scene with fewer epochs, and their share of the whole training.

    Raises:
        Refused: there are too few epochs.
    """
    rounds = max(1, round(patient.epochs * share))
    if rounds / patient.epochs > LONGEST:
        raise Refused("There are too few epochs to leave some out.")
    return {**scene.project.texts, ROUNDS: str(rounds)}, rounds / patient.epochs


# -- the user's objects -------------------------------------------------------------------------


def _check(given: Training) -> None:
    """Refuse what cannot be trained here, with a sentence about why.

    Raises:
        PenlightError: as said.
    """
    for name, batches in (("batches", given.batches), ("validation", given.validation)):
        if batches is None:
            continue
        with randomness(given):  # a loader draws a seed for each round
            again = iter(batches) is not batches
        if not again:
            raise PenlightError(
                f"penlight.fix goes through {name} many times, and a generator lasts only once: "
                "give it a DataLoader or a list."
            )
    with randomness(given):
        first = next(iter(given.batches), None)
    if not isinstance(first, (tuple, list)) or len(first) != 2:
        kind = "nothing" if first is None else f"a {type(first).__name__}"
        if isinstance(first, (tuple, list)):
            kind += f" of {len(first)}"
        raise PenlightError(
            f"penlight.fix needs batches of (inputs, targets); the first one is {kind}. "
            "Wrap the loader so that it gives pairs, or use penlight fix on a script."
        )
    held = {id(p) for group in given.optimizer.param_groups for p in group["params"]}
    if held.isdisjoint(id(p) for p in given.model.parameters()):
        raise PenlightError(
            "The optimiser holds none of the model's parameters, so no step changes the model: "
            "make it from model.parameters()."
        )
    _copies(given, given.loss)


def _copies(given: Training, loss: Any) -> tuple[Any, Any, Any]:
    """One copy of all three, so that the copied optimiser holds the copied parameters.

    Raises:
        PenlightError: they cannot be copied.
    """
    try:
        model, optimizer, loss = copy.deepcopy((given.model, given.optimizer, loss))
    except Exception as error:
        raise PenlightError(
            f"The model cannot be copied ({error}), so nothing can be tried on it. Call "
            "penlight.fix before the first training, or use penlight fix on a script."
        ) from error
    return model, optimizer, loss


def _late(loss: Any) -> Any:
    """A function of torch.nn.functional, looked up anew at each call, where the probe sees it."""
    from torch.nn import functional

    if isinstance(loss, functools.partial):
        return functools.partial(_late(loss.func), *loss.args, **loss.keywords)
    name = getattr(loss, "__name__", "")
    if name not in WATCHED or getattr(functional, name, None) is not loss:
        return loss

    def called(*args: Any, **kwargs: Any) -> Any:
        return getattr(functional, name)(*args, **kwargs)

    return called


class _Seeds:
    """The random numbers of a pair: pair 0 has the user's own."""

    def __init__(self, given: Training) -> None:
        self._generators = _generators(given)
        self._states = _states(self._generators)

    def set(self, pair: int) -> None:
        """Put every source of random numbers where it stands at the start of that pair."""
        import numpy as np
        import torch

        _restore(self._states)
        if pair == 0:
            return
        for generator in self._generators:
            # Not torch.manual_seed, which would also reach devices that are not in use yet.
            generator.manual_seed((generator.initial_seed() + SHIFT * pair) % (1 << 63))
        seed = SHIFT * pair
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # whoever still draws from there
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(seed)


def _generators(given: Training) -> list[torch.Generator]:
    """The global one, and those that loaders have of their own."""
    import torch

    found = {id(torch.default_generator): torch.default_generator}
    for loader in (given.batches, given.validation):
        for owner in (loader, getattr(loader, "sampler", None)):
            own = getattr(owner, "generator", None)
            if isinstance(own, torch.Generator):
                found[id(own)] = own
    return list(found.values())


def _states(generators: Sequence[torch.Generator]) -> list[tuple[Callable[[Any], object], Any]]:
    """Random states, each with what puts it back."""
    import numpy as np
    import torch

    found: list[tuple[Callable[[Any], object], Any]] = [
        (generator.set_state, generator.get_state()) for generator in generators
    ]
    legacy = np.random.get_state()  # noqa: NPY002  # whoever still draws from there
    found += [(random.setstate, random.getstate()), (np.random.set_state, legacy)]
    if torch.cuda.is_initialized():
        found.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    return found


def _restore(states: Sequence[tuple[Callable[[Any], object], Any]]) -> None:
    for put, state in states:
        put(state)


@contextmanager
def randomness(given: Training) -> Iterator[None]:
    """Put all random states back in the end."""
    states = _states(_generators(given))
    try:
        yield
    finally:
        _restore(states)
