"""swap-recurrent: gated cells instead of plain recurrent ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument

GATED = {"RNN": "GRU", "RNNCell": "GRUCell"}


@dataclass(frozen=True)
class SwapRecurrent(Edit):
    """Build a GRU where the source builds a plain RNN: it takes and returns the same."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Use a GRU instead of the plain RNN"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes: list[Change] = []
        for file in scene.files:
            source = scene.source(file)
            for call in source.calls(*GATED):
                if isinstance(call.func, cst.Name):
                    raise Refused(f"{file} imports {call.func.value} by its bare name.")
                assert isinstance(call.func, cst.Attribute)
                name = call.func.attr
                if argument(call, "nonlinearity") is not None:
                    kept = [
                        source.code(a).rstrip(", ")
                        for a in call.args
                        if a.keyword is None or a.keyword.value != "nonlinearity"
                    ]
                    owner = source.code(call.func.value)
                    text = f"{owner}.{GATED[name.value]}({', '.join(kept)})"
                    changes.append(source.replace(call, text))
                else:
                    changes.append(source.replace(name, GATED[name.value]))
        if not changes:
            raise Refused("The source builds no plain RNN.")
        return changes
