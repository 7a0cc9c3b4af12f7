"""more-epochs: train longer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import epochs
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.values import number, set_value

FACTORS = (4.0, 10.0, 20.0)


@dataclass(frozen=True)
class MoreEpochs(Edit):
    """Go through the training loop that many times as often."""

    factor: float

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        for factor in FACTORS:
            yield cls(factor)

    @property
    def says(self) -> str:
        return f"Train {self.factor:g} times as long"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = epochs(scene)
        line = loop.source.lines(loop.node)[0]
        if loop.count is None:
            raise Refused(
                f"{loop.source.file}:{line} does not say as a number how long it goes on.",
                f"Let it run {self.factor:g} times as long.",
            )
        count = number(scene, loop.source, loop.count)
        if count is None:
            text = f"({loop.source.code(loop.count)}) * {self.factor:g}"
            if self.factor != round(self.factor):
                raise Refused(f"{loop.source.file}:{line} computes its length.")
            return (loop.source.replace(loop.count, text),)
        longer = f"{max(1, round(count * self.factor))}"
        return (set_value(scene, loop.source, loop.count, longer),)
