"""Where a script moves its weights itself: `w -= lr * w.grad`, and other ways to write that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name
from penlight.edits.values import number, set_value

Moving = cst.AugAssign | cst.BinaryOperation | cst.Call
NEAR = 0.02  # relative difference of a rate that was measured from the one that is written


@dataclass(frozen=True)
class Move:
    """One place where weights are moved, and the expressions whose product they are moved by.

    `amounts` are these expressions as they stand.
    """

    source: Source
    node: Moving
    amounts: tuple[cst.BaseExpression, ...]
    factors: tuple[cst.BaseExpression, ...]
    divided: bool

    def grads(self) -> list[str]:
        """The gradients that are used, as the script writes them: `w.grad` of `w.grad.data`."""
        bare = (
            f.value if isinstance(f, cst.Attribute) and f.attr.value == "data" else f
            for f in self.factors
        )
        return [self.source.code(f) for f in bare if last_name(f) == "grad"]


@dataclass(frozen=True)
class Way:
    """How a sum or a difference is written."""

    assign: type[cst.BaseAugOp]
    operator: type[cst.BaseBinaryOp]
    methods: tuple[str, ...]


ADDING = Way(cst.AddAssign, cst.Add, ("add_",))
TAKING = Way(cst.SubtractAssign, cst.Subtract, ("sub_", "add_"))  # add_(-lr * grad)


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
    for move in _moves(scene, TAKING):
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
        for move in _moves(scene, TAKING)
        if move.source.enclosing(move.node, cst.CompFor, cst.GeneratorExp, cst.ListComp) is None
        for grad in move.grads()
    ]
    if not changes:
        raise Refused(
            "The script moves its weights itself, and no statement of it names their gradients.",
            "Set p.grad = None for every weight p when it has been moved.",
        )
    return tuple(changes)


def descending(scene: Scene) -> Sequence[Change]:
    """The changes that subtract the gradients that are added.

    Raises:
        Refused: no statement adds a gradient to a weight.
    """
    changes = [_taken(move) for move in _moves(scene, ADDING) if _climbs(scene, move)]
    if not changes:
        raise Refused(
            "The script moves its weights itself, and no statement adds a gradient to one.",
            "Subtract the gradient: w -= lr * w.grad.",
        )
    return tuple(changes)


def _taken(move: Move) -> Change:
    """The change that takes away what is added."""
    source, node = move.source, move.node
    if isinstance(node, cst.Call):
        name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
        return source.replace(name, "sub_")
    left, right, text = (
        (node.target, node.value, " -= ")
        if isinstance(node, cst.AugAssign)
        else (node.left, node.right, " - ")
    )
    return Change(source.file, source.span(left)[1], source.span(right)[0], text)


def _climbs(scene: Scene, move: Move) -> bool:
    """Whether a weight that is given this product goes along its gradient."""
    minus = [
        node
        for amount in move.amounts
        for node in (amount, *move.source.all(cst.UnaryOperation, amount))
        if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus)
    ]
    now = scene.run.optimizers[0].lr
    rates = [n for f in move.factors if (n := number(scene, move.source, f)) is not None]
    rated = now > 0 and len(move.factors) > 1 and any(_stands_for(r, now, True) for r in rates)
    return len(minus) % 2 == 0 and (bool(move.grads()) or rated)


def _stands_for(written: float, now: float, divided: bool) -> bool:
    """Whether a number is the rate that was measured, or, divided by the batch size, becomes it."""
    ratio = written / now
    whole = max(round(ratio), 1) if divided else 1
    return abs(ratio / whole - 1) <= NEAR


def _moves(scene: Scene, way: Way) -> Iterator[Move]:
    for file in scene.files:
        source = scene.source(file)
        for step in source.all(cst.AugAssign):
            if isinstance(step.operator, way.assign):
                yield _move(source, step, step.value)
        for term in source.all(cst.BinaryOperation):
            if isinstance(term.operator, way.operator):
                yield _move(source, term, term.right)
        for call in source.calls(*way.methods):
            amounts = [a for a in (argument(call, "other", 0), argument(call, "alpha")) if a]
            if amounts:
                yield _move(source, call, *(a.value for a in amounts))


def _move(source: Source, node: Moving, *amounts: cst.BaseExpression) -> Move:
    parts = [part for amount in amounts for part in _product(amount)]
    divided = any(by for _, by in parts)
    return Move(source, node, amounts, tuple(f for f, by in parts if not by), divided)


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
