"""Weights that a forward pass computes and writes into a layer, past the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.flow import put
from penlight.edits.imports import imported
from penlight.edits.source import Change, Source, argument, dotted, last_name

PARAMETERS = ("weight", "bias")


@dataclass(frozen=True)
class Written:
    """`self.conv.weight.data = EXPR`, or `self.conv.weight = nn.Parameter(EXPR)`."""

    function: cst.FunctionDef
    statement: cst.CSTNode
    layer: str  # "self.conv"
    name: str  # "weight"
    value: cst.BaseExpression


def through_the_layer(source: Source) -> list[Change]:
    """The changes that hand computed weights to the layer's call; [] where there are none.

    Raises:
        Refused: the layer is not called once, right there.
    """
    found = list(_written(source))
    changes: list[Change] = []
    for layer, function in {w.layer: w.function for w in found}.items():
        own = [w for w in found if w.layer == layer]
        calls = [c for c in source.all(cst.Call, function) if dotted(c.func) == layer]
        if len(calls) != 1 or any(w.function is not function for w in own):
            raise Refused(
                f"{layer} gets its {own[0].name} in forward() and is not called once there.",
                f"Compute with the new {own[0].name} itself, by torch.nn.functional.",
            )
        changes += _handed_over(source, function, own, calls[0])
    return changes


def _written(source: Source) -> Iterator[Written]:
    for target in source.all(cst.AssignTarget):
        assign = source.parent(target)
        function = source.enclosing(target, cst.FunctionDef)
        if (
            not isinstance(assign, cst.Assign)
            or not isinstance(function, cst.FunctionDef)
            or function.name.value != "forward"
        ):
            continue
        path, value = dotted(target.target), assign.value
        if path.endswith(".data"):
            path = path.removesuffix(".data")
        elif isinstance(value, cst.Call) and last_name(value.func) == "Parameter":
            inner = argument(value, "data", 0)
            if inner is None:
                continue
            value = inner.value
        else:
            continue
        layer, _, name = path.rpartition(".")
        if layer.startswith("self.") and name in PARAMETERS:
            yield Written(function, assign, layer, name, _kept(value))


def _kept(value: cst.BaseExpression) -> cst.BaseExpression:
    """An expression without the `.data` or `.detach()` around it."""
    while True:
        if isinstance(value, cst.Attribute) and value.attr.value == "data":
            value = value.value
        elif (
            isinstance(value, cst.Call)
            and isinstance(value.func, cst.Attribute)
            and value.func.attr.value == "detach"
        ):
            value = value.func.value
        else:
            return value


def _handed_over(
    source: Source, function: cst.FunctionDef, own: Sequence[Written], call: cst.Call
) -> Iterator[Change]:
    """Keep the values under names of their own, and call the layer with them."""
    taken = {n.value for n in source.all(cst.Name, function)}
    names = {w.name: w.name if w.name not in taken else f"new_{w.name}" for w in own}
    for each in own:
        yield source.replace(each.statement, f"{names[each.name]} = {source.code(each.value)}")
    given = ", ".join(f'"{name}": {local}' for name, local in names.items())
    args = ", ".join(source.code(a) for a in call.args if a.keyword is None)
    keywords = ", ".join(f'"{a.keyword.value}": {source.code(a.value)}' for a in call.args
                         if a.keyword is not None)  # fmt: skip
    rest = f", {{{keywords}}}" if keywords else ""
    func, needed = imported(source, "torch.func")
    yield from needed
    yield put(source, call, f"{func}.functional_call({own[0].layer}, {{{given}}}, ({args},){rest})")
