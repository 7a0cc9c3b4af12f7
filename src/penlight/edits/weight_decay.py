"""weight-decay: how strongly the optimiser pulls the weights towards zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument
from penlight.edits.training import Training
from penlight.edits.values import set_argument

TOO_MUCH = ("excessive-regularisation", "optimizer-coupled-weight-decay")
MORE = {True: (0.1, 1.0), False: (1e-2, 1e-3)}  # decoupled from the gradient (AdamW), or not
LESS = {True: (1e-2, 0.0), False: (1e-5, 0.0)}


@dataclass(frozen=True)
class WeightDecay(Edit):
    """Train with another weight decay."""

    value: float

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:
        for optimizer in scene.run.optimizers[:1]:
            decoupled = optimizer.type == "AdamW"
            if finding.pitfall in TOO_MUCH:
                values = [v for v in LESS[decoupled] if v < optimizer.weight_decay]
            else:
                values = [v for v in MORE[decoupled] if v > optimizer.weight_decay]
            yield from (cls(value) for value in values)

    @property
    def says(self) -> str:
        return f"Set the weight decay to {self.value:g}" if self.value else "Drop the weight decay"

    def source(self, scene: Scene) -> Sequence[Change]:
        source, call, _ = scene.optimizer()
        none = all(o.weight_decay == 0 for o in scene.run.optimizers)
        if self.value == 0 and none and argument(call, "weight_decay") is None:
            raise Refused("The optimiser has no weight decay.")
        return set_argument(scene, source, call, "weight_decay", f"{self.value:g}")

    def live(self, training: Training) -> None:
        for group in training.optimizer.param_groups:
            group["weight_decay"] = self.value
