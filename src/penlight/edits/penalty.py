"""penalty: the weight of a term that is added to the loss by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name
from penlight.edits.values import number, set_value


@dataclass(frozen=True)
class Penalty(Edit):
    """Multiply the penalty that the script adds to its loss."""

    factor: float

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls(0.01)
        yield cls(0.001)
        yield cls(0.0)

    @property
    def says(self) -> str:
        if self.factor == 0:
            return "Leave out the penalty that is added to the loss"
        return f"Multiply the penalty that is added to the loss by {self.factor:g}"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = scene.loop
        found = [
            (source, node, value)
            for product in _added(loop.source, loop.body)
            for source, node, value in _factors(scene, loop.source, product, 0)
        ]
        if len(found) != 1:
            count = "no penalty" if not found else "several penalties"
            raise Refused(
                f"The loss in {loop.source.file} shows {count} with a number in front.",
                "Scale down what is added to the loss until it is a tenth of it.",
            )
        source, node, value = found[0]
        return (set_value(scene, source, node, f"{value * self.factor:g}"),)


def _added(source: Source, body: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    """What the loop adds to its loss: `loss = criterion(...) + THIS`, `loss += THIS`."""
    for assign in source.all(cst.Assign, body):
        if any("loss" in source.code(t.target).lower() for t in assign.targets):
            sums = [s for s in source.all(cst.BinaryOperation, assign) if _plus(s)]
            if sums:
                top = sums[0]
                yield top.right
                if not any(source.all(cst.Call, top.left)) or _product(top.left):
                    yield top.left
    for add in source.all(cst.AugAssign, body):
        if isinstance(add.operator, cst.AddAssign) and source.code(add.target) == "loss":
            yield add.value


def _plus(node: cst.BinaryOperation) -> bool:
    return isinstance(node.operator, cst.Add)


def _product(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply)


def _factors(
    scene: Scene, source: Source, node: cst.BaseExpression, depth: int
) -> Iterator[tuple[Source, cst.BaseExpression, float]]:
    """The number in front of a penalty, in the expression or in the function that makes it."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply):
        for side in (node.left, node.right):
            value = number(scene, source, side)
            if value is not None:
                yield source, side, value
                return
    if isinstance(node, cst.Call) and depth == 0:
        name = last_name(node.func)
        for file in scene.files:
            other = scene.source(file)
            for function in other.all(cst.FunctionDef):
                if function.name.value == name:
                    for back in other.all(cst.Return, function):
                        if back.value is not None:
                            yield from _factors(scene, other, back.value, depth + 1)
