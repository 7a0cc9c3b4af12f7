"""accumulate-mean: the mean of the gradients that are collected over several batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import made_of, whole
from penlight.edits.scene import Loop, Scene
from penlight.edits.source import Change, Source, last_name


@dataclass(frozen=True)
class AccumulateMean(Edit):
    """Divide the loss by the number of batches whose gradients add up to one step."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Divide the loss by the number of batches that make one step"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = scene.loop
        source, count = loop.source, _count(loop)
        if count is None:
            raise Refused("The training loop takes a step after every batch.")
        loss = loop.loss
        scaled = isinstance(loss, cst.Call) and last_name(loss.func) == "scale" and loss.args
        if scaled:
            assert isinstance(loss, cst.Call)
            loss = loss.args[0].value
        if any(_divided(source, part) for part in made_of(source, loss)):
            raise Refused("The loss is divided already.")
        text = f"{whole(source, loss)} / {source.code(count)}"
        return [source.replace(loss, text if scaled or loss.lpar else f"({text})")]


def _count(loop: Loop) -> cst.BaseExpression | None:
    """How many batches make a step: k of `if (i + 1) % k == 0:`."""
    for under in loop.conditions:
        for part in [under.test, *loop.source.all(cst.BinaryOperation, under.test)]:
            if isinstance(part, cst.BinaryOperation) and isinstance(part.operator, cst.Modulo):
                return part.right
    return None


def _divided(source: Source, node: cst.BaseExpression) -> bool:
    """Whether an expression is a quotient, or is made by `loss /= k`."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide):
        return True
    return isinstance(node, cst.Name) and any(
        isinstance(a.operator, cst.DivideAssign) and last_name(a.target) == node.value
        for a in source.all(cst.AugAssign)
    )
