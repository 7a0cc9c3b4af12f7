"""same-order: inputs and labels are shuffled by one permutation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.models import SCOPES
from penlight.edits.names import fresh
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name

INSTRUCTION = (
    "Shuffle with one permutation: order = rng.permutation(len(x)); x, y = x[order], y[order]."
)


@dataclass(frozen=True)
class SameOrder(Edit):
    """Shuffle two arrays that belong together in one order, not each in its own."""

    certain = True
    new_rate = True

    @property
    def says(self) -> str:
        return "Shuffle inputs and labels with one permutation"

    def source(self, scene: Scene) -> Sequence[Change]:
        pairs = [p for file in scene.files for p in _pairs(scene.source(file))]
        if len(pairs) != 1:
            raise Refused("The source shows no two shuffles of two arrays in a row.", INSTRUCTION)
        source, first, second, random = pairs[0]
        order = fresh(source, "order", "permutation")
        (x, first_call), (y, second_call) = first, second
        change = source.before(first_call, f"{order} = {random}(len({x}))")
        return [
            change,
            _ordered(source, first_call, x, order),
            _ordered(source, second_call, y, order),
        ]


Shuffled = tuple[str, cst.Call]


def _pairs(source: Source) -> Iterator[tuple[Source, Shuffled, Shuffled, str]]:
    """Two shuffles, one right after the other, by the same generator."""
    calls = [c for c in source.calls("permutation", "shuffle") if len(c.args) == 1]
    for one, other in pairwise(calls):
        if source.enclosing(one, *SCOPES) is not source.enclosing(other, *SCOPES):
            continue
        if source.lines(other)[0] - source.lines(one)[0] > 1:
            continue
        names = [_shuffled(source, call) for call in (one, other)]
        func = one.func
        if all(names) and names[0] != names[1] and isinstance(func, cst.Attribute):
            owner = source.code(func.value)
            if last_name(func.value) == "random" and owner == "random":
                continue  # the standard library has no permutation
            yield source, (names[0], one), (names[1], other), f"{owner}.permutation"


def _shuffled(source: Source, call: cst.Call) -> str:
    """The name of the array that a statement shuffles; '' when it does something else."""
    name, parent = source.code(call.args[0].value), source.parent(call)
    if last_name(call.func) == "shuffle":
        return name if isinstance(parent, cst.Expr) else ""
    same = isinstance(parent, cst.Assign) and source.code(parent.targets[0].target) == name
    return name if same else ""


def _ordered(source: Source, call: cst.Call, name: str, order: str) -> Change:
    statement = source.statement(call)
    return source.replace(statement, f"{name} = {name}[{order}]")
