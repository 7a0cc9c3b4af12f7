"""batch-size: more or fewer samples a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import epochs
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument
from penlight.edits.values import number, set_argument, set_value


@dataclass(frozen=True)
class BatchSize(Edit):
    """Take that many samples for each step."""

    new_rate = True
    samples: int

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        now = max((i.shape[0] for i in scene.run.inputs if i.shape), default=0)
        if now > 128:
            yield cls(64)
        elif 0 < now < 8:
            yield cls(32)

    @property
    def says(self) -> str:
        return f"Take {self.samples} samples for each step"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = epochs(scene)
        if isinstance(loop.node, cst.Call):
            size = str(self.samples)
            return set_argument(scene, loop.source, loop.node, "batch_size", size, position=2)
        shuffled = [
            (source, call)
            for source in map(scene.source, scene.files)
            for call in source.calls("DataLoader")
            if argument(call, "shuffle") is not None
        ]
        if len(shuffled) == 1:
            source, call = shuffled[0]
            return set_argument(scene, source, call, "batch_size", str(self.samples), position=1)
        inside = [
            (call, call.args[0].value)
            for call in loop.source.calls("split", within=loop.node)
            if len(call.args) == 1 and number(scene, loop.source, call.args[0].value) is not None
        ]
        if len(inside) == 1:
            return (set_value(scene, loop.source, inside[0][1], str(self.samples)),)
        raise Refused(
            "The source does not show where the training batches get their size.",
            f"Take {self.samples} samples for each step.",
        )
