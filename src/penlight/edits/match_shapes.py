"""match-shapes: predictions and targets of one shape, so that nothing is broadcast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.facts import Objective
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import ATOMS
from penlight.edits.losses import loss_call, loss_parts, predicts
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source
from penlight.edits.training import Training
from penlight.pitfalls._graph import wirings

Shape = tuple[int, ...]
BY_HAND = "Give both the same shape in the loss: prediction.squeeze(-1), or target.unsqueeze(-1)."


@dataclass(frozen=True)
class MatchShapes(Edit):
    """Drop the dimension of size 1 that one side of the loss has and the other has not."""

    certain = True
    new_rate = True

    @property
    def says(self) -> str:
        return "Compare predictions and targets in the same shape"

    def source(self, scene: Scene) -> Sequence[Change]:
        crossed = [
            o
            for o in scene.run.all(Objective)
            if not o.by_hand and len(o.input_shape) != len(o.target_shape) and o.expansion > 1
        ]
        changes = dict.fromkeys(c for o in crossed for c in _in_call(scene, o))
        return list(changes) if crossed else [_in_difference(scene)]

    def live(self, training: Training) -> None:
        loss = training.loss

        def compared(output: object, target: object) -> object:
            return loss(output.reshape(target.shape), target)  # type: ignore[attr-defined]

        training.loss = compared


def _in_call(scene: Scene, objective: Objective) -> Iterator[Change]:
    found = loss_call(scene, objective)
    wide = len(objective.input_shape) > len(objective.target_shape)
    arg = found.input if wide else found.target
    shape = objective.input_shape if wide else objective.target_shape
    other = objective.target_shape if wide else objective.input_shape
    if arg is None or shape.count(1) != 1 or tuple(n for n in shape if n != 1) != other:
        raise Refused(
            f"Predictions {objective.input_shape} and targets {objective.target_shape} differ by "
            "more than a dimension of size 1.",
            BY_HAND,
        )
    yield squeezed(found.source, arg.value, shape.index(1) - len(shape))


def _in_difference(scene: Scene) -> Change:
    """In a loss written by hand: where the error is taken."""
    shape, alone = _predicted(scene)
    found: dict[int, tuple[Source, cst.BinaryOperation]] = {}
    for source, part in loss_parts(scene):
        for node in [part, *source.all(cst.BinaryOperation, part)]:
            if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Subtract):
                sides = [predicts(scene, source, side) for side in (node.left, node.right)]
                if sides.count(True) == 1:
                    found[id(node)] = (source, node)
    if len(found) != 1:
        count = "no" if not found else "more than one"
        raise Refused(f"The loss shows {count} difference of prediction and target.", BY_HAND)
    source, node = next(iter(found.values()))
    predicted_left = predicts(scene, source, node.left)
    wide = len(shape) == 2  # else it is the target that has one dimension more
    if wide and not alone:
        return _call(source, node.right if predicted_left else node.left, "unsqueeze(-1)")
    return squeezed(source, node.left if predicted_left is wide else node.right, -1)


def _predicted(scene: Scene) -> tuple[Shape, bool]:
    """The shape of the predictions that a difference of all with all is made of.

    And whether they are the only output there: with a variance of the same shape, say, it is the
    target that has to fit them both.
    """
    for wiring in wirings(scene.run):
        i = wiring.all_with_all()
        if i is not None:
            wide, narrow = wiring.ops[i].shape, wiring.ops[wiring.ops[i].inputs[0]].shape
            others = (wiring.ops[j] for j in wiring.head if j != i)
            shapes = [wiring.ops[k].shape for op in others if op.shape == wide for k in op.inputs]
            return narrow, narrow not in shapes
    raise Refused("No difference that is broadcast was seen in the loss.", BY_HAND)


def squeezed(source: Source, node: cst.BaseExpression, dim: int) -> Change:
    """The change that drops a dimension of an expression; an unsqueeze there goes instead."""
    if (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value == "unsqueeze"
    ):
        return source.replace(node, source.code(node.func.value))
    return _call(source, node, f"squeeze({dim})")


def _call(source: Source, node: cst.BaseExpression, method: str) -> Change:
    """The change that calls a method of an expression."""
    text = source.code(node)
    whole = isinstance(node, ATOMS) and not isinstance(node, cst.Tuple)
    return source.replace(node, f"{text if whole else f'({text})'}.{method}")
