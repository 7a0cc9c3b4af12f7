"""learning-rate: another step size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from penlight.core.facts import OWN
from penlight.core.finding import Finding
from penlight.edits.compiled import optimizer_by_name
from penlight.edits.edit import Edit, Refused
from penlight.edits.own_update import own, rate_changes
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.training import Training
from penlight.edits.values import set_argument

LOWER = (0.1, 0.01, 0.3, 0.001)
HIGHER = (10.0, 100.0, 3.0, 1000.0)
# Where a training with that optimiser usually starts.
USUAL = {
    "sgd": (0.1, 0.01),
    "adagrad": (0.01,),
    "adadelta": (1.0,),
    "lbfgs": (1.0,),
    OWN: (0.1, 0.01),
}
USUAL_ELSE = (1e-3,)
NEAR = 1.6  # rates nearer than this factor are one
TOO_LOW = ("lr-too-low", "stopped-too-early", "vanishing-gradient", "symmetric-init")


def usual(optimizer: str) -> tuple[float, ...]:
    """The rates at which a training with an optimiser of that type usually starts."""
    kind = optimizer.lower()
    return next((rates for name, rates in USUAL.items() if kind.startswith(name)), USUAL_ELSE)


def apart(values: Iterable[float], now: float) -> Iterator[float]:
    """The values that differ from the present one and from those before them."""
    tried = [now]
    for value in values:
        if value > 0 and all(max(value, t) / min(value, t) >= NEAR for t in tried):
            tried.append(value)
            yield value


@dataclass(frozen=True)
class LearningRate(Edit):
    """Train with another learning rate, set where the author wrote the old one."""

    value: float

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:
        optimizers = scene.run.optimizers
        if len({o.lr for o in optimizers}) != 1:
            return
        rate, upwards = optimizers[0].lr, finding.pitfall in TOO_LOW
        known = [v for v in usual(optimizers[0].type) if (v > rate) == upwards]
        around = (float(f"{rate * f:.3g}") for f in (HIGHER if upwards else LOWER))
        for value in apart((*sorted(known, reverse=not upwards), *around), rate):
            yield cls(value)

    @property
    def says(self) -> str:
        return f"Set the learning rate to {self.value:g}"

    def source(self, scene: Scene) -> Sequence[Change]:
        if own(scene):
            return rate_changes(scene, self.value)
        named = optimizer_by_name(scene, f"learning_rate={self.value:g}")
        if named is not None:
            return named
        made = scene.optimizers()
        if len({seen.lr for _, _, seen in made}) != 1:
            count = "no optimiser" if not made else f"{len(made)} optimisers of different rates"
            raise Refused(f"The run has {count}, so which rate to change is not clear.")
        changes: dict[tuple[str, int], Change] = {}
        for source, call, seen in made:
            # Keras names it in full, and its optimisers have no place in the source.
            name, position = ("lr", 1) if seen.source else ("learning_rate", 0)
            for change in set_argument(scene, source, call, name, f"{self.value:g}", position):
                changes[change.file, change.start] = change  # one constant may serve them all
        return tuple(changes.values())

    def live(self, training: Training) -> None:
        for group in training.optimizer.param_groups:
            group["lr"] = self.value
