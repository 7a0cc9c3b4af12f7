"""move-dropout: dropout in front of the last layer instead of behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.drop_output_dropout import applied_behind, trailing
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import drop_entry, entry, siblings, unwrap
from penlight.edits.heads import last_layer_at
from penlight.edits.outputs import peeled
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source
from penlight.edits.training import Training

BY_HAND = "Apply the dropout to what the last layer is given."


@dataclass(frozen=True)
class MoveDropout(Edit):
    """Apply the dropout to what the last layer is given, not to the predictions."""

    certain = True
    slot = "drop-output-dropout"

    @property
    def says(self) -> str:
        return "Move the dropout in front of the last layer"

    def source(self, scene: Scene) -> Sequence[Change]:
        source, maker, last = trailing(scene)
        layer = last_layer_at(scene)
        if layer.source is not source:
            raise Refused("The dropout and the last layer stand in two files.", BY_HAND)
        item, behind = entry(source, maker), entry(source, layer.node)
        if item is not None and behind is not None:
            return _in_list(source, item, behind)
        if item is not None or layer.listed:
            raise Refused("The dropout and the last layer are not applied side by side.", BY_HAND)
        _, applied, _ = applied_behind(source, maker, last.rpartition(".")[2])
        assert isinstance(layer.node, cst.Call)
        given, name = layer.node.args[0].value, source.code(applied.func)
        if source.code(given).startswith(f"{name}("):
            raise Refused("A dropout stands in front of the last layer already.")
        start, end = source.span(given)
        inner = applied.args[0].value
        if isinstance(source.parent(applied), cst.Assign) and inner is not layer.node:
            gone = [unwrap(source, applied, inner)]
        else:
            gone = peeled(source, applied, inner)
        return [*gone, source.insert(start, f"{name}("), source.insert(end, ")")]

    def live(self, training: Training) -> None:
        from torch import nn

        for parent in training.model.modules():
            names = list(parent._modules) if isinstance(parent, nn.Sequential) else []
            row = [parent.get_submodule(name) for name in names]
            if len(row) > 1 and isinstance(row[-1], nn.Dropout) and isinstance(row[-2], nn.Linear):
                setattr(parent, names[-2], row[-1])
                setattr(parent, names[-1], row[-2])
                return
        raise Refused("The model does not end in a linear layer and a dropout module.")


def _in_list(
    source: Source, item: cst.Arg | cst.BaseElement, layer: cst.Arg | cst.BaseElement
) -> list[Change]:
    row = list(siblings(source, layer))
    if item not in row:
        raise Refused("The dropout and the last layer are not applied side by side.", BY_HAND)
    before = row[row.index(layer) - 1] if row.index(layer) else None
    if before is not None and "Dropout(" in source.code(before):
        raise Refused("A dropout stands in front of the last layer already.")
    start, _ = source.span(layer.value)
    line = source.text.rfind("\n", 0, start) + 1
    indent = source.text[line:start]
    gap = f",\n{indent}" if not indent.strip() else ", "
    return [source.insert(start, source.code(item.value) + gap), drop_entry(source, item)]
