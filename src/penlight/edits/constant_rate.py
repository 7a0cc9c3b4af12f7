"""constant-rate: train without a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import epochs
from penlight.edits.scene import Scene
from penlight.edits.schedules import schedule_steps
from penlight.edits.source import Change, Source


@dataclass(frozen=True)
class ConstantRate(Edit):
    """Leave out the steps of the learning rate's schedule, or what multiplies it by hand."""

    slot = "schedule"

    @property
    def says(self) -> str:
        return "Keep the learning rate constant"

    def source(self, scene: Scene) -> Sequence[Change]:
        by_hand = [c for file in scene.files for c in _multiplied(scene.source(file))]
        if by_hand:  # a schedule beside it may be a warm-up, which has to get on
            return by_hand
        loop = epochs(scene)
        places = {id(s): s for s in (loop.source, scene.loop.source)}.values()
        steps = [(s, c) for s in places for c in schedule_steps(s, s.module)]
        if not steps:
            raise Refused("No schedule is stepped in the source.")
        return [source.drop(call) for source, call in steps]


def _multiplied(source: Source) -> Iterator[Change]:
    """`group["lr"] *= decay`, and `group["lr"] = group["lr"] * decay`."""
    for more in source.all(cst.AugAssign):
        scaled = isinstance(more.operator, (cst.MultiplyAssign, cst.DivideAssign))
        if scaled and _is_rate(more.target):
            yield source.drop(_alone(source, more))
    for node in source.all(cst.Assign):
        target, value = node.targets[0].target, node.value
        scaled = isinstance(value, cst.BinaryOperation) and isinstance(
            value.operator, (cst.Multiply, cst.Divide)
        )
        if scaled and _is_rate(target):
            own = source.code(target)
            if any(source.code(x) == own for x in source.all(cst.Subscript, value)):
                yield source.drop(_alone(source, node))


def _alone(source: Source, node: cst.CSTNode) -> cst.CSTNode:
    """A statement, or the loop that holds nothing else."""
    loop = source.enclosing(node, cst.For)
    if not isinstance(loop, cst.For) or loop.orelse is not None or len(loop.body.body) != 1:
        return node
    line = loop.body.body[0]
    only = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
    return loop if only and source.inside(node, line) else node


def _is_rate(node: cst.BaseExpression) -> bool:
    """Whether it is the rate of a group: `group["lr"]`."""
    if not isinstance(node, cst.Subscript) or len(node.slice) != 1:
        return False
    index = node.slice[0].slice
    return (
        isinstance(index, cst.Index)
        and isinstance(index.value, cst.SimpleString)
        and index.value.evaluated_value == "lr"
    )
