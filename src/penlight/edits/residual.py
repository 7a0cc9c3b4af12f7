"""residual: a way around each of many equal layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source


@dataclass(frozen=True)
class Residual(Edit):
    """Add each layer's input to its output, and normalise what goes in.

    It is done where forward() goes through layers in a loop: `x = layer(x)` becomes
    `x = x + layer(layer_norm(x))`.
    """

    new_rate = True

    @property
    def says(self) -> str:
        return "Lead a way around each layer, with a norm in front of it"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes = [c for file in scene.files for c in _around(scene.source(file))]
        if not changes:
            raise Refused(
                "No forward() goes through equal layers in a loop.",
                "Write x = x + layer(F.layer_norm(x, x.shape[-1:])) for layers that keep the "
                "shape.",
            )
        return list(dict.fromkeys(changes))


def _around(source: Source) -> Iterator[Change]:
    for loop in source.all(cst.For):
        method = source.enclosing(loop, cst.FunctionDef)
        if not isinstance(method, cst.FunctionDef) or method.name.value != "forward":
            continue
        layers = {n.value for n in [loop.target, *source.all(cst.Name, loop.target)]
                  if isinstance(n, cst.Name)}  # fmt: skip
        for assign in source.all(cst.Assign, loop):
            target = assign.targets[0].target
            if not isinstance(target, cst.Name) or len(assign.targets) != 1:
                continue
            name = target.value
            inner = [
                call
                for call in source.all(cst.Call, assign)
                if isinstance(call.func, cst.Name)
                and call.func.value in layers
                and len(call.args) == 1
                and source.code(call.args[0].value) == name
            ]
            if len(inner) != 1 or _adds(source, assign.value, name):
                continue
            functional, imports = imported(source, "torch.nn.functional")
            start, end = source.span(assign.value)
            yield from imports
            if isinstance(assign.value, cst.BinaryOperation):
                yield source.insert(start, f"{name} + (")
                yield source.insert(end, ")")
            else:
                yield source.insert(start, f"{name} + ")
            norm = f"{functional}.layer_norm({name}, {name}.shape[-1:])"
            yield source.replace(inner[0].args[0].value, norm)


def _adds(source: Source, value: cst.BaseExpression, name: str) -> bool:
    """Whether the value is added to already."""
    if not isinstance(value, cst.BinaryOperation) or not isinstance(value.operator, cst.Add):
        return False
    return name in (source.code(value.left), source.code(value.right))
