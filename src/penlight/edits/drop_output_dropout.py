"""drop-output-dropout: no dropout behind the last layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import calls_in, drop_entry, entry, unwrap, uses
from penlight.edits.heads import last_layer
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name
from penlight.edits.training import Training


@dataclass(frozen=True)
class DropOutputDropout(Edit):
    """Take out the dropout that deletes predictions."""

    certain = True

    @property
    def says(self) -> str:
        return "Take out the dropout behind the last layer"

    def source(self, scene: Scene) -> Sequence[Change]:
        source, maker, last = trailing(scene)
        item = entry(source, maker)
        if item is not None:
            return [drop_entry(source, item)]
        return _unwrapped(source, maker, last.rpartition(".")[2])

    def live(self, training: Training) -> None:
        from torch import nn

        leaves = [
            (parent, name, child)
            for parent in training.model.modules()
            for name, child in parent.named_children()
            if not list(child.children())
        ]
        if not leaves or not isinstance(leaves[-1][2], nn.Dropout):
            raise Refused("The model does not end in a dropout module.")
        setattr(leaves[-1][0], leaves[-1][1], nn.Identity())


def trailing(scene: Scene) -> tuple[Source, cst.Call, str]:
    """The call that builds the dropout behind the last layer, and that layer's name.

    Raises:
        Refused: no dropout module was seen to run there.
    """
    order = {m.name: m.order for m in scene.run.modules}
    last = last_layer(scene.run)
    after = [
        m
        for m in scene.run.modules
        if m.type == "Dropout" and m.order > order.get(last, len(order))
    ]
    if len(after) != 1:
        raise Refused(
            "No dropout module was seen to run behind the last layer alone.",
            "Move the dropout in front of the last layer.",
        )
    source, makers = scene.calls_at(after[0].source, "Dropout")
    return source, makers[-1], last


def _unwrapped(source: Source, maker: cst.Call, layer: str) -> list[Change]:
    assign, applied, calls = applied_behind(source, maker, layer)
    gone = [source.drop(assign)] if calls == 1 else []
    return [unwrap(source, applied, applied.args[0].value), *gone]


def applied_behind(source: Source, maker: cst.Call, layer: str) -> tuple[cst.Assign, cst.Call, int]:
    """Where a dropout gets its name, its call behind a layer, and how often it is called.

    Raises:
        Refused: that cannot be told.
    """
    parent = source.parent(maker)
    if not isinstance(parent, cst.Assign):
        raise Refused("Where the dropout is applied cannot be told from the text.")
    calls = [
        call
        for use in uses(source, parent.targets[0].target)
        if isinstance(call := source.parent(use), cst.Call) and call.func is use and call.args
    ]
    behind = [
        c
        for c in calls
        if any(last_name(k.func) == layer for k in calls_in(source, c.args[0].value))
    ]
    if len(behind) != 1:
        raise Refused("Where the dropout is applied cannot be told from the text.")
    return parent, behind[0], len(calls)
