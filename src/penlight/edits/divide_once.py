"""divide-once: a mean that is not divided by the number of samples again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import assigned_to, unwrap
from penlight.edits.losses import loss_call
from penlight.edits.models import SCOPES
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source


@dataclass(frozen=True)
class DivideOnce(Edit):
    """Learn from the mean over the batch as it is, where it was divided by the batch's size."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Take the second division by the batch's size out"

    def source(self, scene: Scene) -> Sequence[Change]:
        found, loop = loss_call(scene), scene.loop
        changes = {
            (change.start, change.end): change
            for source, value in ((found.source, found.call), (loop.source, loop.loss))
            for change in _divisions(source, value)
        }
        if len(changes) != 1:
            raise Refused(
                f"{found.source.file}:{found.source.lines(found.call)[0]} shows no single division "
                "of the loss.",
                "Find where the loss is divided by the batch's size, and take that out.",
            )
        return list(changes.values())


def _divisions(source: Source, value: cst.BaseExpression) -> Iterator[Change]:
    """What would take each division of a loss out, in the function where it is computed."""
    if isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.Divide):
        yield unwrap(source, value, value.left)
    names = {source.code(value), assigned_to(source, value)} - {""}
    scope = source.enclosing(value, *SCOPES)
    for division in source.all(cst.BinaryOperation, scope):
        kept = isinstance(source.parent(division), (cst.Assign, cst.Return))
        divided = isinstance(division.operator, cst.Divide) and source.code(division.left) in names
        if kept and divided:
            yield unwrap(source, division, division.left)
    for assigned in source.all(cst.AugAssign, scope):
        whole = isinstance(assigned.operator, cst.DivideAssign)
        if whole and source.code(assigned.target) in names:
            yield source.drop(_with_condition(source, assigned))


def _with_condition(source: Source, statement: cst.CSTNode) -> cst.CSTNode:
    """The statement, or the `if` that would hold nothing without it."""
    condition = source.enclosing(statement, cst.If)
    block = condition.body if isinstance(condition, cst.If) else None
    if not isinstance(condition, cst.If) or not isinstance(block, cst.IndentedBlock):
        return statement
    only = source.inside(statement, block) and len(block.body) == 1
    chained = condition.orelse is not None or isinstance(source.parent(condition), cst.If)
    return condition if only and not chained else statement
