"""cosine-schedule: let the rate fall to zero over the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import epochs
from penlight.edits.names import fresh, member
from penlight.edits.scene import Scene
from penlight.edits.schedules import optimizer_at, schedule_steps
from penlight.edits.source import Change


@dataclass(frozen=True)
class CosineSchedule(Edit):
    """Let the learning rate fall along a cosine, from the author's value to zero at the end."""

    slot = "schedule"

    @property
    def says(self) -> str:
        return "Let the learning rate fall along a cosine to zero at the end"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = epochs(scene)
        source, node = loop.source, loop.node
        if isinstance(node, cst.Call) or loop.count is None:
            raise Refused("The source does not show for how many epochs it trains.")
        if any(schedule_steps(source, source.module)):
            raise Refused("There is a schedule already.")
        optimizer = optimizer_at(scene, loop)
        maker, imports = member(source, "torch.optim.lr_scheduler", "CosineAnnealingLR")
        name = fresh(source, "scheduler", "schedule")
        body = node.body.body
        last = body[-1]
        end = last.body[0] if isinstance(last, cst.SimpleStatementLine) else last
        return [
            *imports,
            source.before(node, f"{name} = {maker}({optimizer}, T_max={source.code(loop.count)})"),
            source.after(end, f"{name}.step()"),
        ]
