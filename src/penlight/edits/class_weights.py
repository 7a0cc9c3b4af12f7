"""class-weights: every class has the same say in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.core.facts import Targets
from penlight.edits.edit import Edit, Refused
from penlight.edits.losses import loss_call
from penlight.edits.names import member
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument
from penlight.edits.training import Training
from penlight.edits.values import set_argument


@dataclass(frozen=True)
class ClassWeights(Edit):
    """Weight the loss by how rare each class was in training."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Weight the loss, so that rare classes count as much as frequent ones"

    def source(self, scene: Scene) -> Sequence[Change]:
        found, targets = loss_call(scene), scene.run.targets()
        source, call = found.options_in, found.options
        if targets is None:
            raise Refused("How many samples each class has was not seen.")
        name = "weight" if found.function in ("cross_entropy", "nll_loss") else "pos_weight"
        known = scene.run.objective is not None and scene.run.objective.weights
        if argument(call, name) is not None and not known:
            raise Refused("The loss is weighted already.")
        values = weights(targets, found.function)
        head, imports = member(source, "torch", "tensor")
        shown = ", ".join(f"{v:.4g}" for v in values)
        return [*imports, *set_argument(scene, source, call, name, f"{head}([{shown}])")]

    def live(self, training: Training) -> None:
        import torch

        targets = torch.cat([batch[1].reshape(-1) for batch in training.batches])
        counts = targets.long().bincount().float()
        if not hasattr(training.loss, "weight") or bool((counts == 0).any()):
            raise Refused("The loss is no module that takes weights of classes.")
        training.loss.weight = counts.sum() / (len(counts) * counts)


def weights(targets: Targets, function: str) -> list[float]:
    """A weight for each class, 1 on average over the samples.

    For a binary loss the one weight of the positive samples.

    Raises:
        Refused: a class that was never seen, or targets that are no classes.
    """
    if function in ("cross_entropy", "nll_loss"):
        counts = targets.classes
        if not counts or not all(counts):
            raise Refused("Not every class was seen in training, so its weight is not known.")
        total = sum(counts)
        return [total / (len(counts) * n) for n in counts]
    if function == "binary_cross_entropy_with_logits" and len(targets.mean) == 1:
        share = targets.mean[0]
        if 0 < share < 1:
            return [(1 - share) / share]
    raise Refused(f"{function} takes no weights of classes.")
