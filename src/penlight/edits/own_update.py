"""Where a script moves its weights itself: `w -= lr * w.grad`, and other ways to write that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name
from penlight.edits.values import number, set_value

NEAR = 0.02  # relative difference of a rate that was measured from the one that is written


@dataclass(frozen=True)
class Move:
    """One place where weights are moved, and the expressions whose product they are moved by."""

    source: Source
    node: cst.CSTNode
    factors: tuple[cst.BaseExpression, ...]
    divided: bool

    def grads(self) -> list[str]:
        """The gradients that are used, as the script writes them."""
        return [self.source.code(f) for f in self.factors if last_name(f) == "grad"]


def own(scene: Scene) -> bool:
    """Whether the weights of this run were moved by the script itself."""
    return [o.own for o in scene.run.optimizers] == [True]


def rate_changes(scene: Scene, value: float) -> Sequence[Change]:
    """The changes that make the learning rate `value`, where its author wrote it.

    Raises:
        Refused: it is not written as a number times a gradient.
    """
    now = scene.run.optimizers[0].lr
    changes: dict[tuple[str, int], Change] = {}
    for move in _moves(scene):
        for factor in move.factors:
            written = number(scene, move.source, factor)
            if now > 0 and written is not None and _stands_for(written, now, move.divided):
                text = f"{value * written / now:.3g}"
                change = set_value(scene, move.source, factor, text)
                changes[change.file, change.start] = change
    if not changes:
        raise Refused(
            "The script moves its weights itself, and its learning rate is not found there.",
            f"Divide or multiply it so that {now:.3g} becomes {value:.3g}." if now else "",
        )
    return tuple(changes.values())


def clearing(scene: Scene) -> Sequence[Change]:
    """The changes that clear each gradient when it has been used.

    Raises:
        Refused: no statement moves a weight by its gradient.
    """
    changes = [
        move.source.after(move.node, f"{grad} = None")
        for move in _moves(scene)
        if move.source.enclosing(move.node, cst.CompFor, cst.GeneratorExp, cst.ListComp) is None
        for grad in move.grads()
    ]
    if not changes:
        raise Refused(
            "The script moves its weights itself, and no statement of it names their gradients.",
            "Set p.grad = None for every weight p when it has been moved.",
        )
    return tuple(changes)


def _stands_for(written: float, now: float, divided: bool) -> bool:
    """Whether a number is the rate that was measured, or, divided by the batch size, becomes it."""
    ratio = written / now
    whole = max(round(ratio), 1) if divided else 1
    return abs(ratio / whole - 1) <= NEAR


def _moves(scene: Scene) -> Iterator[Move]:
    for file in scene.files:
        source = scene.source(file)
        for step in source.all(cst.AugAssign):
            if isinstance(step.operator, cst.SubtractAssign):
                yield _move(source, step, step.value)
        for term in source.all(cst.BinaryOperation):
            if isinstance(term.operator, cst.Subtract):
                yield _move(source, term, term.right)
        for call in source.calls("sub_", "add_"):
            amounts = [a for a in (argument(call, "other", 0), argument(call, "alpha")) if a]
            if amounts:
                yield _move(source, call, *(a.value for a in amounts))


def _move(source: Source, node: cst.CSTNode, *amounts: cst.BaseExpression) -> Move:
    parts = [part for amount in amounts for part in _product(amount)]
    divided = any(by for _, by in parts)
    return Move(source, node, tuple(factor for factor, by in parts if not by), divided)


def _product(
    node: cst.BaseExpression, by: bool = False
) -> Iterator[tuple[cst.BaseExpression, bool]]:
    """The factors of a product, each with whether it is divided by; signs are left out."""
    if isinstance(node, cst.BinaryOperation) and isinstance(
        node.operator, (cst.Multiply, cst.Divide)
    ):
        yield from _product(node.left, by)
        yield from _product(node.right, by != isinstance(node.operator, cst.Divide))
    elif isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        yield from _product(node.expression, by)
    else:
        yield node, by
