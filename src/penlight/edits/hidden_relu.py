"""hidden-relu: a ReLU in place of a softmax between layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.heads import Applied, applications
from penlight.edits.names import member, sibling
from penlight.edits.scene import Scene
from penlight.edits.source import Change, last_name
from penlight.edits.training import Training
from penlight.pitfalls._graph import SOFTMAX, wirings


@dataclass(frozen=True)
class HiddenRelu(Edit):
    """Replace the softmax that stands between two layers by ReLU."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Use ReLU in place of the softmax between two layers"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = [a for file in scene.files for a in applications(scene.source(file), "softmax")]
        built = [a for a in found if _stands_between(scene, a)]
        chosen = built or [a for a in found if _feeds_a_layer(a)]
        if len(chosen) != 1:
            raise Refused(
                "Which softmax stands between the layers cannot be told from the text.",
                "Replace it by nn.ReLU().",
            )
        return _replaced(chosen[0])

    def live(self, training: Training) -> None:
        from torch import nn

        leaves = [
            (parent, name, child)
            for parent in training.model.modules()
            for name, child in parent.named_children()
            if not list(child.children())
        ]
        inner = [x for x in leaves[:-1] if isinstance(x[2], nn.Softmax)]
        if not inner:
            raise Refused("The model holds no softmax module between its layers.")
        for parent, name, _ in inner:
            setattr(parent, name, nn.ReLU())


def _stands_between(scene: Scene, found: Applied) -> bool:
    """Whether it builds a module that the run saw between two layers."""
    for wiring in wirings(scene.run):
        for i, name in enumerate(wiring.names):
            module = scene.run.module(wiring.ops[i].module)
            if name not in SOFTMAX or i in wiring.head or module is None or found.maker is None:
                continue
            try:
                source, line = scene.place(module.source)
            except Refused:
                continue
            first, last = found.source.lines(found.maker)
            if source is found.source and first <= line <= last:
                return True
    return False


def _feeds_a_layer(found: Applied) -> bool:
    """Whether another layer is applied to it: directly, or by the name that it is given."""
    source, node = found.source, found.node
    parent = source.parent(node)
    if isinstance(parent, cst.Arg):
        call = source.parent(parent)
        return isinstance(call, cst.Call) and source.code(call.func).startswith("self.")
    if not isinstance(parent, cst.Assign):
        return False
    name, function = source.code(parent.targets[0].target), source.enclosing(node, cst.FunctionDef)
    for call in source.all(cst.Call, function):
        later = source.span(call)[0] > source.span(parent)[1]
        if later and source.code(call.func).startswith("self.") and call.args:
            return source.code(call.args[0].value) == name
    return False


def _replaced(found: Applied) -> Sequence[Change]:
    source, node = found.source, found.node
    if found.maker is not None:
        name, imports = sibling(source, found.maker.func, "ReLU")
        return [*imports, source.replace(found.maker, f"{name}()")]
    assert isinstance(node, cst.Call)
    assert found.inner is not None
    inner = source.code(found.inner)
    if isinstance(node.func, cst.Attribute) and node.func.value is found.inner:
        return [source.replace(node, f"{inner}.relu()")]
    if isinstance(node.func, cst.Attribute) and last_name(node.func.value) in ("torch", "F"):
        return [source.replace(node, f"{source.code(node.func.value)}.relu({inner})")]
    name, imports = member(source, "torch", "relu")
    return [*imports, source.replace(node, f"{name}({inner})")]
