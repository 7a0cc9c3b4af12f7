"""zero-grad: clear the gradients of the step before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.training import Training


@dataclass(frozen=True)
class ZeroGrad(Edit):
    """Clear the gradients before each backward pass."""

    certain = True
    new_rate = True  # a rate that bore summed gradients may be far off for single ones

    @property
    def says(self) -> str:
        return "Clear the gradients before each backward pass"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = scene.loop
        for call in loop.source.calls("zero_grad", within=loop.body):
            raise Refused(
                f"{loop.source.file}:{loop.source.lines(call)[0]} clears gradients already.",
                "Call it once for every backward pass, on the optimiser that takes the step.",
            )
        return (loop.source.before(loop.backward, f"{loop.optimizer}.zero_grad()"),)

    def live(self, training: Training) -> None:
        training.zero_grad = True
