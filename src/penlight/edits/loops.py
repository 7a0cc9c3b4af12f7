"""Loops of the user's files: the one over epochs, and how long it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Source, argument, last_name

LOOPS = (cst.For, cst.While)


@dataclass(frozen=True)
class Epochs:
    """The outermost loop around the training steps, or Keras's fit().

    `count` is the expression of how often it is gone through; None where it is not written as a
    number, as in `while True`. `inner` is the loop over batches inside of it, if one is.
    """

    source: Source
    node: cst.For | cst.While | cst.Call
    count: cst.BaseExpression | None
    inner: cst.For | cst.While | None = None


def epochs(scene: Scene) -> Epochs:
    """The loop over epochs (over steps, where there is no loop around).

    Raises:
        Refused: no loop, or none that is written as a count.
    """
    try:
        loop = scene.loop
    except Refused:
        for call in scene.script.calls("fit"):
            arg = argument(call, "epochs")
            return Epochs(scene.script, call, arg.value if arg is not None else None)
        raise
    source = loop.source
    around = list(loops_around(source, loop.step))
    if not around:
        raise Refused("The training steps stand in no loop.")
    source, outer = around[-1]
    inner = around[0][1] if len(around) > 1 else None
    return Epochs(source, outer, _count(outer), inner)


def loops_around(
    source: Source, node: cst.CSTNode, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[Source, cst.For | cst.While]]:
    """The loops around a node from the inside out, on through the one caller of its function."""
    for parent in source.parents(node):
        if isinstance(parent, LOOPS):
            yield source, parent
        elif isinstance(parent, cst.FunctionDef):
            name = parent.name.value
            calls = [c for c in source.calls(name) if not source.inside(c, parent)]
            if len(calls) == 1 and name not in seen:
                yield from loops_around(source, calls[0], seen | {name})
            return


def _count(loop: cst.For | cst.While) -> cst.BaseExpression | None:
    if isinstance(loop, cst.While):
        test = loop.test
        if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
            target = test.comparisons[0]
            if isinstance(target.operator, (cst.LessThan, cst.LessThanEqual)):
                return target.comparator
        return None
    for call in _calls(loop.iter):
        if last_name(call.func) in ("range", "trange") and call.args:
            return call.args[min(len(call.args) - 1, 1)].value
    return None


def _calls(node: cst.BaseExpression) -> Iterator[cst.Call]:
    while isinstance(node, cst.Call):
        yield node
        if not node.args:
            return
        node = node.args[0].value
