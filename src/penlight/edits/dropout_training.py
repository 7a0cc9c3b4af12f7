"""dropout-training: F.dropout follows model.eval()."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument
from penlight.edits.values import add_argument

NAMES = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")


@dataclass(frozen=True)
class DropoutTraining(Edit):
    """Pass training=self.training to every F.dropout of a module."""

    certain = True

    @property
    def says(self) -> str:
        return "Let F.dropout follow the model's mode: training=self.training"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes = []
        for file in scene.files:
            source = scene.source(file)
            for call in source.calls(*NAMES):
                owner = source.code(call.func.value) if isinstance(call.func, cst.Attribute) else ""
                function = source.enclosing(call, cst.FunctionDef)
                inside = isinstance(function, cst.FunctionDef) and any(
                    p.name.value == "self" for p in function.params.params
                )
                if owner.startswith("self") or not inside:
                    continue
                given = argument(call, "training", 2)
                if given is None:
                    changes.append(add_argument(source, call, "training=self.training"))
                elif source.code(given.value) == "True":
                    changes.append(source.replace(given.value, "self.training"))
        if not changes:
            raise Refused(
                "No F.dropout without training=self.training stands in a module's method.",
                "Pass training=self.training to every F.dropout.",
            )
        return changes
