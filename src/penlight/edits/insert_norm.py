"""insert-norm: a normalisation between each hidden layer and its activation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.activations import KINDS
from penlight.edits.edit import Edit, Refused
from penlight.edits.names import sibling
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, dotted, last_name
from penlight.edits.values import listed

OF_IMAGES = {"Conv1d": "BatchNorm1d", "Conv2d": "BatchNorm2d", "Conv3d": "BatchNorm3d"}
WIDTH = {"Linear": "out_features", **dict.fromkeys(OF_IMAGES, "out_channels")}
VECTORS = ("LayerNorm", "BatchNorm1d")


@dataclass(frozen=True)
class InsertNorm(Edit):
    """Normalise what each hidden layer gives before it enters the activation.

    Args:
        kind: LayerNorm or BatchNorm1d, behind linear layers; convolutions get batch norm.
    """

    new_rate = True
    kind: str = "LayerNorm"

    def __post_init__(self) -> None:
        if self.kind not in VECTORS:
            raise ValueError(f"{self.kind} is none of {', '.join(VECTORS)}.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield from (cls(kind) for kind in VECTORS)

    @property
    def says(self) -> str:
        return f"Put {self.kind} between the hidden layers and their activation"

    def source(self, scene: Scene) -> Sequence[Change]:
        if any("Norm" in module.type for module in scene.run.modules):
            raise Refused("The model has normalisation layers already.")
        changes = [
            change
            for file in scene.files
            for find in (self._in_lists, self._in_classes)
            for change in find(scene.source(file))
        ]
        if not changes:
            raise Refused(
                "The source shows no hidden layer followed by an activation.",
                f"Put torch.nn.{self.kind}(width) between a layer and its activation.",
            )
        return list(dict.fromkeys(changes))

    def _in_lists(self, source: Source) -> Iterator[Change]:
        for node in source.nodes:
            if isinstance(node, cst.Call) and last_name(node.func) == "Sequential":
                items = [arg.value for arg in node.args]
            elif isinstance(node, cst.List):
                items = [element.value for element in node.elements]
            else:
                continue
            for first, second in pairwise(items):
                bent = isinstance(second, cst.Call) and last_name(second.func) in KINDS
                layer = _layer(source, first)
                if bent and layer is not None:
                    assert isinstance(second, cst.Call)
                    last = second is items[-1] and isinstance(node, cst.Call)
                    if last and _outermost(source, node):
                        continue
                    name, imports = sibling(source, second.func, self._kind(layer))
                    yield from imports
                    yield listed(source, first, f"{name}({_width(source, layer)})")

    def _in_classes(self, source: Source) -> Iterator[Change]:
        for method in source.all(cst.FunctionDef):
            if method.name.value != "forward":
                continue
            owner = source.enclosing(method, cst.ClassDef)
            if not isinstance(owner, cst.ClassDef):
                continue
            made = {
                dotted(assign.targets[0].target): assign.value
                for assign in source.all(cst.Assign, owner)
                if isinstance(assign.value, cst.Call) and last_name(assign.value.func) in WIDTH
            }
            for call in source.all(cst.Call, method):
                name, layer = dotted(call.func), made.get(dotted(call.func))
                if not isinstance(layer, cst.Call) or not _activated(source, call):
                    continue
                norm, imports = sibling(source, layer.func, self._kind(layer))
                own = f"{name}_norm"
                yield from imports
                yield source.after(layer, f"{own} = {norm}({_width(source, layer)})")
                start, end = source.span(call)
                yield source.insert(start, f"{own}(")
                yield source.insert(end, ")")

    def _kind(self, layer: cst.Call) -> str:
        return OF_IMAGES.get(last_name(layer.func), self.kind)


def _layer(source: Source, item: cst.BaseExpression) -> cst.Call | None:
    """The call that makes a layer, in place or in an assignment above."""
    if isinstance(item, cst.Name):
        for assign in source.all(cst.Assign):
            if any(source.code(t.target) == item.value for t in assign.targets):
                return _layer(source, assign.value) if assign.value is not item else None
    if isinstance(item, cst.Call) and last_name(item.func) in WIDTH and len(item.args) > 1:
        return item
    return None


def _width(source: Source, layer: cst.Call) -> str:
    arg = argument(layer, WIDTH[last_name(layer.func)], 1)
    if arg is None:
        raise Refused(f"{source.file}:{source.lines(layer)[0]} hides the width of a layer.")
    return source.code(arg.value)


def _activated(source: Source, call: cst.Call) -> bool:
    """Whether a layer's value goes straight into an activation."""
    parent = source.parent(call)
    user = source.parent(parent) if parent is not None else None
    if not isinstance(user, cst.Call):
        return False
    name = last_name(user.func).lower()
    hidden = ("relu", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu", "act", "activation")
    statement = source.enclosing(call, cst.BaseSmallStatement)
    return name.rstrip("0123456789") in hidden and not (
        isinstance(statement, cst.Return) and statement.value is user
    )


def _outermost(source: Source, node: cst.CSTNode) -> bool:
    """Whether a Sequential is the whole model: no part of another one."""
    return not any(
        isinstance(parent, cst.Call) and last_name(parent.func) == "Sequential"
        for parent in source.parents(node)
    )
