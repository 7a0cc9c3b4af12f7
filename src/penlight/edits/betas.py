"""betas: how long Adam and its relatives remember the size of gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument
from penlight.edits.training import Training
from penlight.edits.values import set_argument


@dataclass(frozen=True)
class Betas(Edit):
    """Set beta2, the decay of the mean square; beta1 stays.

    Args:
        second: 0.95 remembers some twenty steps, 0.999 a thousand.
    """

    second: float

    def __post_init__(self) -> None:
        if not 0 <= self.second < 1:
            raise ValueError(f"beta2 is at least 0 and below 1, not {self.second:g}.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield from (cls(0.95), cls(0.98))

    @property
    def says(self) -> str:
        return f"Set the optimiser's beta2 to {self.second:g}"

    def source(self, scene: Scene) -> Sequence[Change]:
        source, call, seen = scene.optimizer()
        if len(seen.betas) != 2:
            raise Refused(f"{seen.type} has no beta2.")
        first, second = seen.betas
        if second <= self.second:
            raise Refused(f"beta2 is {second:g} already.")
        if not seen.source:
            return set_argument(scene, source, call, "beta_2", f"{self.second:g}")  # Keras
        given = argument(call, "betas", 2)
        if given is not None and isinstance(given.value, cst.Tuple):
            return (source.replace(given.value.elements[1].value, f"{self.second:g}"),)
        return set_argument(scene, source, call, "betas", f"({first:g}, {self.second:g})", 2)

    def live(self, training: Training) -> None:
        for group in training.optimizer.param_groups:
            if len(group.get("betas", ())) != 2:
                raise Refused(f"{type(training.optimizer).__name__} has no beta2.")
            group["betas"] = (group["betas"][0], self.second)
