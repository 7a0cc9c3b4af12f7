"""Edits used for one run without a file being changed: `penlight run --with EDIT`.

Where an edit's source face can be made, the edited text takes the file's place in memory. Where
it cannot, and the live face needs no more than the optimiser and the model, that is made when the
first optimiser step is about to happen.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penlight.core.facts import Act
from penlight.core.run import Run
from penlight.edits import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Project
from penlight.edits.training import Training
from penlight.errors import PenlightError
from penlight.launch.target import Target, script_folder
from penlight.store.folder import list_runs
from penlight.store.reader import load
from penlight.trial.fix import module_file

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from penlight.probe import Probe

WITH = "with"
# Live faces that change objects in place, so that the script's own loop goes on with them.
OF_OPTIMIZER = {
    "learning-rate", "weight-decay", "epsilon", "decay-groups", "warmup", "zero-grad", "unfreeze",
}  # fmt: skip
OF_MODEL = {
    "clip-gradients", "optimise-all", "dropout", "drop-output-dropout", "swap-activation",
    "hidden-relu", "output-activation", "class-dim", "batch-first", "move-dropout",
}  # fmt: skip


@dataclass(frozen=True)
class Using:
    """Edits ready for one run.

    Args:
        texts: contents by resolved path that take the place of the files' own.
        made: for each edit that is in the texts, what was done and where.
        live: edits for the first optimiser step.
    """

    texts: dict[str, str]
    made: tuple[str, ...] = ()
    live: tuple[Edit, ...] = ()

    def start(self, probe: Probe) -> None:
        """Record what was done, and make the live edits when their time has come."""
        for said in self.made:
            probe.sink.event(Act(0, WITH, said).to_event())
        if self.live:
            _Live(self.live, probe).start()


def prepare(target: Target, args: Sequence[str], edits: Sequence[Edit], root: Path | None) -> Using:
    """Make edits for one run of a script that was watched before.

    Args:
        target: the script.
        args: its own arguments.
        edits: in the order in which they are made.
        root: the folder that holds runs; None for the default.

    Raises:
        PenlightError: there is no earlier run, the script has changed since, or an edit cannot
            be made.
    """
    target.check()
    folder, script = _place(target)
    run = _known(target, root)
    scene = Scene(Project(folder, script), run, tuple(args))
    _check_unchanged(scene, target)
    made: list[str] = []
    live: list[Edit] = []
    for edit in edits:
        try:
            changes = edit.source(scene)
            edited = scene.edited(changes)
            if edited.project.texts == scene.project.texts:
                raise Refused("There is nothing to change.")
            made.append(f"With {edit} in memory ({_where(scene, changes)}): {edit.says}")
            scene = edited
        except Refused as refused:
            if edit.name not in OF_OPTIMIZER | OF_MODEL or len(run.optimizers) > 1:
                raise PenlightError(_cannot(edit, refused)) from None
            live.append(edit)
    texts = {os.path.realpath(folder / file): text for file, text in scene.project.texts.items()}
    return Using(texts, tuple(made), tuple(live))


def _place(target: Target) -> tuple[Path, str]:
    if target.kind == "module":
        here = Path(os.path.realpath(Path.cwd()))
        return here, module_file(target.name, here)
    path = Path(os.path.realpath(target.name))
    return Path(script_folder(target.name)), path.name


def _known(target: Target, root: Path | None) -> Run:
    """The newest run of a script that trained and was not edited in memory itself.

    Raises:
        PenlightError: there is none.
    """
    for info in list_runs(root):
        if not info.steps or info.state == "unreadable" or not _same(info.script, target):
            continue
        run = load(info.path)
        if not any(act.what == WITH for act in run.all(Act)):
            return run
    raise PenlightError(
        f"--with needs to know what happens in {target}: run it once first: penlight run {target}"
    )


def _same(script: str, target: Target) -> bool:
    if target.kind == "module" or script.startswith("-m "):
        return script == str(target)
    return os.path.realpath(script) == os.path.realpath(target.name)


def _check_unchanged(scene: Scene, target: Target) -> None:
    """The run names lines: they must still be the same.

    Raises:
        PenlightError: a file is newer than the run.
    """
    for file in scene.files:
        if (scene.project.root / file).stat().st_mtime > scene.run.header.started:
            raise PenlightError(
                f"{file} has changed since {target} was last watched, so where to put the edit is "
                f"not known: run it once more: penlight run {target}"
            )


def _where(scene: Scene, changes: Sequence[Change]) -> str:
    """`train.py:12`, the first place of each file."""
    first: dict[str, int] = {}
    for change in sorted(changes, key=lambda c: c.start):
        first.setdefault(change.file, scene.source(change.file).line(change.start))
    return ", ".join(f"{file}:{line}" for file, line in first.items())


def _cannot(edit: Edit, refused: Refused) -> str:
    said = f"{edit} cannot be used here: {refused.why.rstrip('.')}."
    return f"{said} {refused.instruction}" if refused.instruction else said


class _Live:
    """Makes edits on the script's own objects, before its first optimiser step."""

    def __init__(self, edits: Sequence[Edit], probe: Probe) -> None:
        self._edits = edits
        self._probe = probe
        self._training: Training | None = None

    def start(self) -> None:
        """Wait for the first step of any optimiser."""
        from torch.optim.optimizer import (
            register_optimizer_step_post_hook,
            register_optimizer_step_pre_hook,
        )

        register_optimizer_step_pre_hook(self._before)
        register_optimizer_step_post_hook(self._after)

    def _before(self, optimizer: Optimizer, *_: Any) -> None:
        from torch.compiler import is_compiling

        if is_compiling():
            return
        if self._training is None:
            self._training = self._edited(optimizer)
        if self._training.optimizer is optimizer:
            for act in self._training.before_step:
                act(self._training)

    def _after(self, optimizer: Optimizer, *_: Any) -> None:
        from torch.compiler import is_compiling

        training = self._training
        if is_compiling() or training is None or training.optimizer is not optimizer:
            return
        for act in training.after_step:
            act(training)
        if training.zero_grad:
            optimizer.zero_grad()

    def _edited(self, optimizer: Optimizer) -> Training:
        """The script's training with the edits made.

        Raises:
            SystemExit: one cannot be made. Nothing has been trained yet, so nothing is lost.
        """
        training = Training(self._model(optimizer), optimizer, _no_loss, (), zero_grad=False)
        for edit in self._edits:
            try:
                edit.live(training)
            except Refused as refused:
                raise SystemExit(f"penlight: {_cannot(edit, refused)}") from None
            said = f"With {edit} on the running training, from its first step: {edit.says}"
            self._probe.sink.event(Act(0, WITH, said).to_event())
        return training

    def _model(self, optimizer: Optimizer) -> nn.Module:
        """The models whose parameters the optimiser holds, as one."""
        from torch import nn

        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        roots = self._probe.parts.state.models.roots if self._probe.parts is not None else []
        found = [
            m for r in roots
            if (m := r.module) is not None and any(id(p) in held for p in m.parameters())
        ]  # fmt: skip
        if not found and any(edit.name in OF_MODEL for edit in self._edits):
            raise SystemExit(
                f"penlight: {' and '.join(map(str, self._edits))} cannot be used here: no model "
                "was seen whose parameters the optimiser holds."
            )
        return found[0] if len(found) == 1 else nn.ModuleList(found)


def _no_loss(*_: Any) -> Any:
    raise Refused("The loss of a running script is out of reach.")
