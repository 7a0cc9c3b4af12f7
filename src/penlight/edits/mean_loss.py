"""mean-loss: a loss averaged over the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import drop_entry
from penlight.edits.losses import loss_call, loss_parts
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument, last_name
from penlight.edits.training import Training

OLD = ("size_average", "reduce")  # what reduction was called before torch 1.0


@dataclass(frozen=True)
class MeanLoss(Edit):
    """Average the loss over the batch, so that a step does not grow with the batch size."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Average the loss over the batch"

    def source(self, scene: Scene) -> Sequence[Change]:
        objective = scene.run.objective
        if objective is not None and objective.by_hand:
            return [_averaged(scene)]
        found = loss_call(scene)
        source, call = found.options_in, found.options
        for name in ("reduction", *OLD):
            arg = argument(call, name)
            if arg is not None:
                return [drop_entry(source, arg)]
        raise Refused(
            f"{source.file}:{source.lines(call)[0]} names no reduction that could be changed.",
            "Divide the loss by the number of samples in the batch.",
        )

    def live(self, training: Training) -> None:
        if getattr(training.loss, "reduction", "mean") == "mean":
            raise Refused("The loss is no module that sums.")
        training.loss.reduction = "mean"  # type: ignore[attr-defined]


def _averaged(scene: Scene) -> Change:
    """The change that averages what a script sums itself."""
    for source, part in loss_parts(scene):
        if isinstance(part, cst.Call) and last_name(part.func) == "sum":
            own = isinstance(part.func, cst.Attribute) and last_name(part.func.value) != "torch"
            if len(part.args) == (0 if own else 1):
                name = part.func.attr if isinstance(part.func, cst.Attribute) else part.func
                return source.replace(name, "mean")
    raise Refused(
        "The source shows no sum that the loss is made of.",
        "Divide the loss by the number of samples in the batch.",
    )
