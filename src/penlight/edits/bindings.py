"""Where a name gets its value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from penlight.edits.source import Source


@dataclass(frozen=True)
class Bound:
    """Where a name gets its value: the statement or loop, the expression, and the part of it."""

    node: cst.CSTNode
    value: cst.BaseExpression | None
    part: tuple[int, ...] = ()
    item: bool = False  # an item of the expression, as in a loop


def bindings(source: Source, name: str, scope: cst.CSTNode) -> Iterator[Bound]:
    """All places in a scope (not in functions inside of it) that give a name its value."""

    def own(node: cst.CSTNode) -> bool:
        return source.enclosing(node, cst.FunctionDef, cst.ClassDef, cst.Module) is scope

    for assign in source.all(cst.Assign):
        if own(assign):
            for target in assign.targets:
                path = _path(target.target, name)
                if path is not None:
                    yield Bound(assign, assign.value, path)
    for loop in source.all(cst.For):
        path = _path(loop.target, name) if own(loop) else None
        if path is not None:
            yield Bound(loop, loop.iter, path, item=True)


def _path(target: cst.BaseExpression, name: str) -> tuple[int, ...] | None:
    """Where a name stands in a target: () for itself, (1,) for the second of a tuple."""
    if isinstance(target, cst.Name):
        return () if target.value == name else None
    if isinstance(target, (cst.Tuple, cst.List)):
        for position, element in enumerate(target.elements):
            inner = _path(element.value, name)
            if inner is not None:
                return (position, *inner)
    return None
