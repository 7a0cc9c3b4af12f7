"""schedule-by-step: step the schedule behind every step of the optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.models import known_at
from penlight.edits.scene import Scene
from penlight.edits.schedules import schedule_steps
from penlight.edits.source import Change


@dataclass(frozen=True)
class ScheduleByStep(Edit):
    """Move the schedule's step right behind the optimiser's."""

    slot = "schedule"

    @property
    def says(self) -> str:
        return "Step the schedule behind every step of the optimiser"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = scene.loop
        found = [
            (source, step)
            for source in map(scene.source, scene.files)
            for step in schedule_steps(source, source.module)
        ]
        if len(found) != 1:
            count = "no" if not found else "more than one"
            raise Refused(f"The source shows {count} step of a schedule.")
        source, step = found[0]
        assert isinstance(step.func, cst.Attribute)
        name = source.code(step.func.value)
        if step.args:
            raise Refused(f"{name} is stepped by a measurement, which is taken once an epoch.")
        if source is loop.source and source.inside(step, loop.body):
            raise Refused(f"{name} is stepped with the optimiser already.")
        if source is not loop.source or not known_at(source, name, step, loop.step):
            raise Refused(
                f"{name} is not known where the optimiser steps.",
                f"Call {name}.step() right behind {loop.optimizer}.step().",
            )
        return (source.drop(step), source.after(loop.step, source.code(step)))
