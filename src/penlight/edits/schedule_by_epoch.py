"""schedule-by-epoch: step the schedule once an epoch instead of once a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import epochs
from penlight.edits.scene import Scene
from penlight.edits.schedules import schedule_steps
from penlight.edits.source import Change


@dataclass(frozen=True)
class ScheduleByEpoch(Edit):
    """Move the schedule's step behind the loop over batches."""

    slot = "schedule"

    @property
    def says(self) -> str:
        return "Step the schedule once an epoch"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = epochs(scene)
        if loop.inner is None:
            raise Refused("The source shows no loop over batches inside of one over epochs.")
        source = scene.loop.source
        steps = list(schedule_steps(source, loop.inner))
        if len(steps) != 1:
            raise Refused("The loop over batches does not step a schedule.")
        cut, put = source.drop(steps[0]), source.after(loop.inner, source.code(steps[0]))
        if cut.start <= put.start < cut.end:  # it is the loop's last line
            return (Change(source.file, cut.start, cut.end, put.text.lstrip("\n") + "\n"),)
        return (cut, put)
