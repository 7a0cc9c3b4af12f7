"""epsilon: what Adam and its relatives add before they divide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.training import Training
from penlight.edits.values import set_argument


@dataclass(frozen=True)
class Epsilon(Edit):
    """Set the constant that keeps an adaptive optimiser from dividing by zero."""

    value: float

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls(1e-8)

    @property
    def says(self) -> str:
        return f"Set the optimiser's epsilon to {self.value:g}"

    def source(self, scene: Scene) -> Sequence[Change]:
        source, call, seen = scene.optimizer()
        if not seen.adaptive:
            raise Refused(f"{seen.type} has no epsilon.")
        name = "eps" if seen.source else "epsilon"  # the latter is Keras's
        return set_argument(scene, source, call, name, f"{self.value:g}")

    def live(self, training: Training) -> None:
        for group in training.optimizer.param_groups:
            if "eps" not in group:
                raise Refused(f"{type(training.optimizer).__name__} has no epsilon.")
            group["eps"] = self.value
