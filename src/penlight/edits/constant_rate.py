"""constant-rate: train without a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import epochs
from penlight.edits.scene import Scene
from penlight.edits.schedules import schedule_steps
from penlight.edits.source import Change


@dataclass(frozen=True)
class ConstantRate(Edit):
    """Leave out the steps of the learning rate's schedule."""

    slot = "schedule"

    @property
    def says(self) -> str:
        return "Keep the learning rate constant"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = epochs(scene)
        places = {id(s): s for s in (loop.source, scene.loop.source)}.values()
        steps = [(s, c) for s in places for c in schedule_steps(s, s.module)]
        if not steps:
            raise Refused("No schedule is stepped in the source.")
        return [source.drop(call) for source, call in steps]
