"""permute: dimensions that change places with their values, and not by cutting memory anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted
from penlight.edits.training import Training

METHODS = ("view", "reshape")
INSTRUCTION = "Use x.permute(...) or x.transpose(...) where dimensions are to change places."


@dataclass(frozen=True)
class Permute(Edit):
    """Replace the view or reshape that was meant to swap dimensions by a permute."""

    certain = True
    new_rate = True

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        if any(m.recut_from for m in scene.run.modules):
            yield cls()

    @property
    def says(self) -> str:
        return "Swap the dimensions with permute, which takes the values along"

    def source(self, scene: Scene) -> Sequence[Change]:
        fed = [m for m in scene.run.modules if m.recut_from]
        if not fed:
            raise Refused("No layer is fed memory that was cut anew.", INSTRUCTION)
        rank = len(fed[0].input_shape)
        calls = [found for file in scene.files for found in _recuts(scene.source(file), rank)]
        named = [(source, call, order) for source, call, order in calls if order]
        if named:
            return [_permuted(source, call, order) for source, call, order in named]
        before, after = fed[0].recut_from, fed[0].input_shape
        alike = {tuple(source.code(a) for a in call.args) for source, call, _ in calls}
        owners = {id(source.enclosing(call, cst.FunctionDef)) for source, call, _ in calls}
        if len(alike) != 1 or len(owners) != 1 or len(set(before)) != rank:
            raise Refused(
                "Which view or reshape swaps the dimensions cannot be told from the text.",
                INSTRUCTION,
            )
        order = tuple(before.index(n) for n in after)
        return [_permuted(source, call, order) for source, call, _ in calls]

    def live(self, training: Training) -> None:  # noqa: ARG002
        raise Refused("What forward() does can only be changed in its text.", INSTRUCTION)


def _recuts(source: Source, rank: int) -> Iterator[tuple[Source, cst.Call, tuple[int, ...]]]:
    """Calls of view or reshape to that many dimensions, and the order of `x`'s that they name.

    () where the sizes are not said in terms of `x` itself: `x.view(8, -1, 3)`.
    """
    for call in source.calls(*METHODS):
        function = source.enclosing(call, cst.FunctionDef)
        if not isinstance(function, cst.FunctionDef) or not isinstance(call.func, cst.Attribute):
            continue
        sizes = [a.value for a in call.args]
        if len(sizes) != rank:
            continue
        order = tuple(_dimension(size, dotted(call.func.value)) for size in sizes)
        if sorted(order) != list(range(rank)):
            order = ()
        elif order == tuple(range(rank)):
            continue
        yield source, call, order


def _dimension(size: cst.BaseExpression, name: str) -> int:
    """Which dimension of a tensor of that name an expression is the size of; -1: none."""
    if isinstance(size, cst.Call) and dotted(size.func) == f"{name}.size" and len(size.args) == 1:
        return _number(size.args[0].value)
    if isinstance(size, cst.Subscript) and dotted(size.value) == f"{name}.shape":
        index = size.slice[0].slice
        return _number(index.value) if isinstance(index, cst.Index) else -1
    return -1


def _number(node: cst.BaseExpression) -> int:
    return int(node.value) if isinstance(node, cst.Integer) else -1


def _permuted(source: Source, call: cst.Call, order: Sequence[int]) -> Change:
    assert isinstance(call.func, cst.Attribute)
    inner = source.code(call.func.value)
    return source.replace(call, f"{inner}.permute({', '.join(map(str, order))})")
