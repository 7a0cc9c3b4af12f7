"""Where the user's files step a schedule of the learning rate."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.loops import Epochs
from penlight.edits.scene import Scene
from penlight.edits.source import Source, dotted, last_name


def schedule_steps(source: Source, within: cst.CSTNode) -> Iterator[cst.Call]:
    """The calls of step() that belong to a schedule: not the optimiser's, not a scaler's."""
    schedules = {
        dotted(target.target)
        for assign in source.all(cst.Assign)
        if isinstance(assign.value, cst.Call) and _makes_schedule(source, assign.value)
        for target in assign.targets
    }
    for call in source.calls("step", within=within):
        if isinstance(call.func, cst.Attribute):
            owner = dotted(call.func.value)
            if owner in schedules or "sched" in owner.lower():
                yield call


def _makes_schedule(source: Source, call: cst.Call) -> bool:
    return "lr_scheduler" in source.code(call.func) or last_name(call.func).endswith(
        ("LR", "Scheduler", "Restarts", "Plateau")
    )


def optimizer_at(scene: Scene, loop: Epochs) -> str:
    """The optimiser's name where the loop over epochs begins.

    Raises:
        Refused: it goes by another name there.
    """
    training = scene.loop
    same = loop.source is training.source and loop.source.enclosing(
        loop.node, cst.FunctionDef
    ) is training.source.enclosing(training.step, cst.FunctionDef)
    if not same:
        raise Refused("The epochs are counted where the optimiser goes by another name.")
    return training.optimizer
