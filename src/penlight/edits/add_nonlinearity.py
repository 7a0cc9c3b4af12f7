"""add-nonlinearity: a bend between layers that follow each other straight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.activations import KINDS, WORDS, sites
from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.models import weighted
from penlight.edits.names import sibling
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name
from penlight.edits.values import add_argument, listed

LAYERS = ("Linear", "Conv1d", "Conv2d", "Conv3d", "LazyLinear")
BETWEEN = ("BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm", "Dropout", "Dropout2d")
SHAPES = ("Flatten", "MaxPool2d", "AvgPool2d", "MaxPool1d", "AdaptiveAvgPool2d", "Unflatten")


@dataclass(frozen=True)
class AddNonlinearity(Edit):
    """Put ReLU behind every layer that another one follows without a bend between."""

    new_rate = True

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls()

    @property
    def says(self) -> str:
        return "Put a ReLU between layers that follow each other without one"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes = []
        for source in map(scene.source, scene.files):
            changes += (
                list(_in_lists(source))
                or list(_in_appends(scene, source))
                or list(_in_loops(scene, source))
            )
            changes += [*_in_forward(scene, source), *_in_keras(source)]
        if not changes:
            raise Refused(
                "The source shows no two layers that follow each other straight.",
                "Put torch.relu() between the layers, not behind the last one.",
            )
        return list(dict.fromkeys(changes))


def _in_lists(source: Source) -> Iterator[Change]:
    """Layers in Sequential(...) or a list."""
    for node in source.nodes:
        if isinstance(node, cst.Call) and last_name(node.func) == "Sequential":
            items = [arg.value for arg in node.args]
        elif isinstance(node, cst.List):
            items = [element.value for element in node.elements]
        else:
            continue
        before: cst.Call | None = None  # the last layer since which nothing has bent
        spot: cst.BaseExpression | None = None
        for item in items:
            kind = last_name(item.func) if isinstance(item, cst.Call) else ""
            if kind in LAYERS:
                assert isinstance(item, cst.Call)
                if before is not None and spot is not None:
                    name, imports = sibling(source, before.func, "ReLU")
                    yield from imports
                    yield listed(source, spot, f"{name}()")
                before, spot = item, item
            elif before is not None and kind in BETWEEN:
                spot = item if "Norm" in kind else spot
            elif kind not in SHAPES:
                before = spot = None


def _in_appends(scene: Scene, source: Source) -> Iterator[Change]:
    """`layers.append(Linear(...))`, where another layer follows each that was made there."""
    heavy = weighted(scene.run)
    for call in source.calls("append"):
        layer = call.args[0].value if len(call.args) == 1 else None
        if not isinstance(layer, cst.Call) or last_name(layer.func) not in LAYERS:
            continue
        first, last = source.lines(layer)
        file = source.file.rpartition("/")[2]
        places = {f"{file}:{line}" for line in range(first, last + 1)}
        made = {m.name for m in scene.run.modules if m.source in places}
        if made and heavy[-1] not in made:
            name, imports = sibling(source, layer.func, "ReLU")
            yield from imports
            yield source.after(source.statement(call), f"{source.code(call.func)}({name}())")


def _in_loops(scene: Scene, source: Source) -> Iterator[Change]:
    """`for layer in self.layers: x = layer(x)`, where all layers are plain ones."""
    heavy = weighted(scene.run)
    kinds = {m.name: m.type for m in scene.run.modules}
    bent = {id(site.node) for site in sites(source)}
    for loop in source.all(cst.For):
        body = loop.body.body
        if not isinstance(loop.iter, cst.Attribute) or not isinstance(loop.target, cst.Name):
            continue
        layers = [
            n for n in heavy if n.rpartition(".")[0].rpartition(".")[2] == last_name(loop.iter)
        ]
        calls = list(source.calls(loop.target.value, within=loop.body))
        plain = bool(layers) and all(kinds.get(n) in LAYERS for n in layers)
        if not plain or len(calls) != 1 or _bent(source, calls[0], bent, loop):
            continue
        torch, imports = imported(source, "torch")
        yield from imports
        (start, end), statement = source.span(calls[0]), source.statement(calls[0])
        yield source.insert(start, f"{torch}.relu(")
        yield source.insert(end, ")")
        if layers[-1] == heavy[-1]:  # the last of them makes the output
            if len(body) != 1 or not isinstance(statement, cst.Assign):
                raise Refused(
                    "The loop over the layers holds more than one statement.",
                    "Put torch.relu() behind all of them but the last.",
                )
            items, name = source.code(loop.iter), loop.target.value
            last = source.code(statement).replace(f"{name}(", f"{items}[-1](")
            yield source.insert(source.span(loop.iter)[1], "[:-1]")
            yield source.after(loop, last)


def _in_forward(scene: Scene, source: Source) -> Iterator[Change]:
    """Layers that forward() calls by name."""
    heavy = [name.rpartition(".")[2] for name in weighted(scene.run)]
    inner = set(heavy[:-1]) - {heavy[-1]} if heavy else set()
    for method in source.all(cst.FunctionDef):
        if method.name.value != "forward" or not method.params.params:
            continue
        me = method.params.params[0].name.value
        bent = {id(site.node) for site in sites(source)}
        for call in source.all(cst.Call, method):
            func = call.func
            own = isinstance(func, cst.Attribute) and source.code(func.value) == me
            if not own or last_name(func) not in inner or _bent(source, call, bent, method):
                continue
            torch, imports = imported(source, "torch")
            start, end = source.span(call)
            yield from imports
            yield source.insert(start, f"{torch}.relu(")
            yield source.insert(end, ")")


def _bent(source: Source, call: cst.Call, bent: set[int], method: cst.CSTNode) -> bool:
    """Whether the value of a layer's call goes through an activation."""
    for parent in source.parents(call):
        if id(parent) in bent or (isinstance(parent, cst.Call) and _is_activation(parent)):
            return True
        if isinstance(parent, cst.BaseSmallStatement):
            break
        if isinstance(parent, cst.Call) and _is_layer(parent):
            return False
    statement = source.statement(call)
    if not isinstance(statement, cst.Assign) or len(statement.targets) != 1:
        return False
    name = source.code(statement.targets[0].target)
    end = source.span(statement)[1]
    later = [n for n in source.all(cst.Call, method) if source.span(n)[0] > end]
    for other in later:
        uses = any(source.code(arg.value) == name for arg in other.args) or (
            isinstance(other.func, cst.Attribute) and source.code(other.func.value) == name
        )
        if uses:
            return id(other) in bent or _is_activation(other)
    return False


def _is_activation(call: cst.Call) -> bool:
    name = last_name(call.func).lower().rstrip("0123456789_")
    return name in WORDS or name in ("act", "activation", "nonlinearity") or name in KINDS


def _is_layer(call: cst.Call) -> bool:
    name = last_name(call.func).lower()
    return name.startswith(("fc", "lin", "conv", "dense", "layer"))


def _in_keras(source: Source) -> Iterator[Change]:
    """Keras layers without an activation, but for the last one."""
    if any(source.calls("Activation")):
        return
    for call, after in pairwise(source.calls("Dense", "Conv1D", "Conv2D")):
        same = source.enclosing(call, cst.FunctionDef) is source.enclosing(after, cst.FunctionDef)
        if same and argument(call, "activation", 1) is None:
            yield add_argument(source, call, 'activation="relu"')
