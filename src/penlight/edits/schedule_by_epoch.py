"""schedule-by-epoch: step the schedule once an epoch instead of once a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import LOOPS, loops_around
from penlight.edits.scene import Scene
from penlight.edits.schedules import schedule_steps
from penlight.edits.source import Change, Source


@dataclass(frozen=True)
class ScheduleByEpoch(Edit):
    """Move the schedules' steps behind the loop over batches."""

    slot = "schedule"

    @property
    def says(self) -> str:
        return "Step the schedule once an epoch"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes: list[Change] = []
        for file in scene.files:
            source = scene.source(file)
            moved: dict[cst.CSTNode, list[cst.Call]] = {}
            steps = list(schedule_steps(source, source.module))
            for step in steps:
                loop = _batches(source, step, steps)
                if loop is not None:
                    moved.setdefault(loop, []).append(step)
            for loop, inside in moved.items():
                changes += _behind(source, loop, inside)
        if not changes:
            raise Refused(
                "No loop over batches inside of one over epochs steps a schedule.",
                "Call scheduler.step() behind the loop over batches, once an epoch.",
            )
        return changes


def _batches(source: Source, step: cst.Call, steps: Sequence[cst.Call]) -> cst.CSTNode | None:
    """The loop over batches that a schedule is stepped in, inside of another loop.

    The optimiser is stepped right there, too, by a step() that is none of the schedules' `steps`.
    """
    around = list(loops_around(source, step))
    if len(around) < 2 or around[0][0] is not source:
        return None
    loop = around[0][1]
    own = {id(call) for call in steps}
    others = (c for c in source.calls("step", within=loop) if id(c) not in own)
    return loop if any(source.enclosing(c, *LOOPS) is loop for c in others) else None


def _behind(source: Source, loop: cst.CSTNode, steps: Sequence[cst.Call]) -> list[Change]:
    if any(source.enclosing(s, cst.If, *LOOPS) is not loop for s in steps):
        raise Refused(f"{source.file} steps its schedule under a condition.")
    cuts = [source.drop(step) for step in steps]
    put = source.after(loop, "\n".join(source.code(step) for step in steps))
    if cuts[-1].start <= put.start < cuts[-1].end:  # they are the loop's last lines
        return [*cuts[:-1], replace(cuts[-1], text=put.text.lstrip("\n") + "\n")]
    return [*cuts, put]
