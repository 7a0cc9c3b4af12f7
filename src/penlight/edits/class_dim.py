"""class-dim: a softmax over the classes, not over the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument
from penlight.edits.training import Training

FUNCTIONS = ("softmax", "log_softmax")
MODULES = ("Softmax", "LogSoftmax")


@dataclass(frozen=True)
class ClassDim(Edit):
    """Take softmax over dimension 1 where it was taken over the batch."""

    certain = True
    new_rate = True

    @property
    def says(self) -> str:
        return "Take the softmax over the classes, not over the batch"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes = [c for file in scene.files for c in _across(scene.source(file))]
        if not changes:
            raise Refused(
                "No softmax over dimension 0 stands in the source.",
                "Look for operations over dimension 0: that is the batch.",
            )
        return changes

    def live(self, training: Training) -> None:
        from torch import nn

        found = [
            m
            for m in training.model.modules()
            if isinstance(m, (nn.Softmax, nn.LogSoftmax)) and m.dim == 0
        ]
        if not found:
            raise Refused("The model holds no softmax module over dimension 0.")
        for module in found:
            module.dim = 1


def _across(source: Source) -> Iterator[Change]:
    for call in source.calls(*FUNCTIONS, *MODULES):
        module = isinstance(call.func, (cst.Name, cst.Attribute)) and any(
            source.code(call.func).endswith(m) for m in MODULES
        )
        arg = argument(call, "dim", 0 if module else 1)
        if arg is None and not module and len(call.args) == 1:
            arg = argument(call, "dim", 0)  # x.softmax(0)
        if arg is not None and source.code(arg.value) == "0":
            yield source.replace(arg.value, "1")
