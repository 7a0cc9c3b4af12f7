"""clip-first: gradients are clipped before the step, not behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import dedent

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Loop, Scene
from penlight.edits.source import Change

CLIPS = ("clip_grad_norm_", "clip_grad_value_")


@dataclass(frozen=True)
class ClipFirst(Edit):
    """Move a clipping that stands behind the optimiser's step in front of it."""

    certain = True

    @property
    def says(self) -> str:
        return "Clip the gradients before the step, not behind it"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = scene.loop
        source, stepped = loop.source, loop.source.span(loop.step)[0]
        clips = list(source.calls(*CLIPS, within=loop.body))
        late = [call for call in clips if source.span(call)[0] > stepped]
        if len(clips) != 1 or len(late) != 1:
            raise Refused(
                "No clipping stands behind the step.", "Clip between backward() and step()."
            )
        node = _whole(loop, late[0])
        start, end = source.span(node)
        first = source.text.rfind("\n", 0, start) + 1
        indent = source.text[first:start]
        if indent.strip():
            raise Refused("The clipping shares its line with something else.")
        code = dedent(source.text[first:end])
        return [source.before(loop.step, code), source.drop(node)]


def _whole(loop: Loop, call: cst.Call) -> cst.CSTNode:
    """The statement to be moved: with the condition that it stands under alone."""
    source = loop.source
    node: cst.CSTNode = source.statement(call)
    around = source.enclosing(node, cst.If)
    while (
        isinstance(around, cst.If)
        and source.inside(around, loop.body)
        and around.orelse is None
        and len(around.body.body) == 1
        and not source.inside(loop.step, around)
    ):
        node, around = around, source.enclosing(around, cst.If)
    return node
