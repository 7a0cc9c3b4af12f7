"""batch-first: recurrent and attention layers that run along the time, not along the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument
from penlight.edits.training import Training
from penlight.edits.values import add_argument

RECURRENT = ("RNN", "LSTM", "GRU")
ATTENTION = ("MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer")


@dataclass(frozen=True)
class BatchFirst(Edit):
    """Tell recurrent and attention layers that dimension 0 of their input is the batch."""

    certain = True
    new_rate = True

    @property
    def says(self) -> str:
        return "Tell the recurrent and attention layers that the batch comes first"

    def source(self, scene: Scene) -> Sequence[Change]:
        objective = scene.run.objective
        samples = objective.target_shape[:1] if objective is not None else ()
        if not samples or not any(i.shape[:1] == samples for i in scene.run.inputs):
            raise Refused("Nothing shows that the model is fed the batch first.")
        timed = [
            m.source
            for m in scene.run.modules
            if m.type in RECURRENT and m.output_shape and m.output_shape[:1] != samples
        ]
        if timed:
            raise Refused(f"The layer of {timed[0]} is fed the time first.")
        changes = []
        for file in scene.files:
            source = scene.source(file)
            for call in source.calls(*RECURRENT, *ATTENTION):
                given = argument(call, "batch_first")
                if given is None:
                    changes.append(add_argument(source, call, "batch_first=True"))
                elif source.code(given.value) == "False":
                    changes.append(source.replace(given.value, "True"))
        if not changes:
            raise Refused(
                "The source builds no recurrent or attention layer that takes the time first.",
                "Look for operations over dimension 0: that is the batch.",
            )
        return changes

    def live(self, training: Training) -> None:
        from torch import nn

        found = [
            m
            for m in training.model.modules()
            if isinstance(m, (nn.RNNBase, nn.MultiheadAttention)) and not m.batch_first
        ]
        if not found:
            raise Refused("The model holds no recurrent or attention layer with the time first.")
        for module in found:
            module.batch_first = True
