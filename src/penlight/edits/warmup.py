"""warmup: let the rate rise over the first steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import epochs
from penlight.edits.names import fresh, member
from penlight.edits.scene import Scene
from penlight.edits.schedules import optimizer_at
from penlight.edits.source import Change
from penlight.edits.training import Training

START = 0.01
SHARE = 20  # one twentieth of the run


@dataclass(frozen=True)
class Warmup(Edit):
    """Let the learning rate rise in a line from a hundredth to its full value.

    Args:
        steps: optimiser steps until it is reached.
    """

    steps: int

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls(max(10, scene.run.steps // SHARE))

    @property
    def says(self) -> str:
        return f"Let the learning rate rise over the first {self.steps} steps"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = epochs(scene)
        if isinstance(loop.node, cst.Call):
            raise Refused("fit() makes the steps itself.")
        source = loop.source
        optimizer = optimizer_at(scene, loop)
        maker, imports = member(source, "torch.optim.lr_scheduler", "LinearLR")
        name = fresh(source, "warmup", "warmup_schedule")
        made = f"{name} = {maker}({optimizer}, {START}, total_iters={self.steps})"
        return [
            *imports,
            source.before(loop.node, made),
            source.after(scene.loop.step, f"{name}.step()"),
        ]

    def live(self, training: Training) -> None:
        from torch.optim.lr_scheduler import LinearLR

        schedule = LinearLR(training.optimizer, START, total_iters=self.steps)
        training.after_step.append(lambda _: schedule.step())
