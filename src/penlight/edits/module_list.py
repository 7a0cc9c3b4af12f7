"""module-list: layers in a plain list or dict, and loose tensors, become part of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.models import is_module
from penlight.edits.names import member
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name
from penlight.edits.training import Training

LAYERS = (
    "Linear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "LSTM", "GRU", "RNN", "LSTMCell",
    "GRUCell", "Embedding", "BatchNorm1d", "BatchNorm2d", "LayerNorm", "Bilinear", "Sequential",
    "MultiheadAttention", "TransformerEncoderLayer", "LazyLinear", "Conv1D", "Module",
)  # fmt: skip


@dataclass(frozen=True)
class ModuleList(Edit):
    """Keep layers in nn.ModuleList or nn.ModuleDict, and single tensors in nn.Parameter."""

    certain = True

    @property
    def says(self) -> str:
        return "Register the hidden layers: nn.ModuleList in place of a plain list"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes = [c for file in scene.files for c in _hidden(scene.source(file))]
        if not changes:
            raise Refused(
                "No list or dict of layers stands in a module's __init__.",
                "Keep layers in nn.ModuleList or nn.ModuleDict, and tensors in nn.Parameter.",
            )
        return list(dict.fromkeys(changes))

    def live(self, training: Training) -> None:
        from torch import nn

        found = []
        for module in list(training.model.modules()):
            for name, value in list(vars(module).items()):
                items = value.values() if isinstance(value, dict) else value
                if name.startswith("_") or not isinstance(value, (list, tuple, dict)) or not items:
                    continue
                if not all(isinstance(item, nn.Module) for item in items):
                    continue
                kept = nn.ModuleDict(value) if isinstance(value, dict) else nn.ModuleList(value)
                delattr(module, name)
                setattr(module, name, kept)
                found += list(kept.parameters())
        if not found:
            raise Refused("The model holds no plain list or dict of layers.")
        held = {id(p) for g in training.optimizer.param_groups for p in g["params"]}
        new = [p for p in dict.fromkeys(found) if id(p) not in held]
        if new:
            training.optimizer.add_param_group({"params": new})


def _hidden(source: Source) -> Iterator[Change]:
    """The changes in one file."""
    for function in source.all(cst.FunctionDef):
        if function.name.value != "__init__" or not _is_module(source, function):
            continue
        for target in source.all(cst.AssignTarget, function):
            assign = source.parent(target)
            if (
                isinstance(target.target, cst.Attribute)
                and isinstance(assign, cst.Assign)
                and source.code(target.target.value) == "self"
            ):
                yield from _registered(source, function, target.target, assign.value)


def _is_module(source: Source, function: cst.FunctionDef) -> bool:
    owner = source.enclosing(function, cst.ClassDef)
    return isinstance(owner, cst.ClassDef) and bool(owner.bases)


def _registered(
    source: Source,
    function: cst.FunctionDef,
    target: cst.Attribute,
    value: cst.BaseExpression,
) -> Iterator[Change]:
    kept = source.code(target)
    if isinstance(value, (cst.List, cst.ListComp, cst.Tuple, cst.GeneratorExp)):
        filled = _layers_in(source, value) or (
            isinstance(value, cst.List) and not value.elements and _fills(source, function, kept)
        )
        if filled:
            yield from _wrapped(source, value, "ModuleList")
            yield from _nested(source, function, kept)
    elif isinstance(value, (cst.Dict, cst.DictComp)):
        if _layers_in(source, value) or _fills(source, function, kept):
            yield from _wrapped(source, value, "ModuleDict")
    elif isinstance(value, cst.Call) and last_name(value.func) in ("list", "tuple", "dict"):
        kind = "ModuleDict" if last_name(value.func) == "dict" else "ModuleList"
        filled = _layers_in(source, value) if value.args else _fills(source, function, kept)
        if filled:
            name, imports = member(source, "torch.nn", kind)
            yield from imports
            if value.args:
                yield from _wrapped(source, value, kind)
            else:
                yield source.replace(value, f"{name}()")
    elif isinstance(value, cst.Name):  # layers = []; layers.append(...); self.layers = layers
        if _fills(source, function, value.value) or _listed(source, function, value.value):
            yield from _wrapped(source, value, "ModuleList")
    elif _loose_tensor(value):
        yield from _wrapped(source, _without_flag(source, value), "Parameter", value)


def _nested(source: Source, function: cst.FunctionDef, kept: str) -> Iterator[Change]:
    """`self.layers.append([nn.Linear(4, 4), nn.Tanh()])`: what is put in is a list itself."""
    for call in source.calls("append", within=function):
        if isinstance(call.func, cst.Attribute) and source.code(call.func.value) == kept:
            for arg in call.args:
                if isinstance(arg.value, cst.List) and _layers_in(source, arg.value):
                    yield from _wrapped(source, arg.value, "ModuleList")


def _wrapped(
    source: Source,
    value: cst.BaseExpression | str,
    kind: str,
    node: cst.BaseExpression | None = None,
) -> Iterator[Change]:
    name, imports = member(source, "torch.nn", kind)
    yield from imports
    if isinstance(value, str):
        assert node is not None
        yield source.replace(node, f"{name}({value})")
        return
    text = source.code(value)
    if isinstance(value, (cst.List, cst.Dict)) and not value.elements:
        text = ""
    if isinstance(value, (cst.ListComp, cst.GeneratorExp)):
        text = text[1:-1]
    yield source.replace(value, f"{name}({text})")


def _layers_in(source: Source, value: cst.CSTNode) -> bool:
    """Whether a list, dict or comprehension builds layers itself, not inside of a Sequential."""
    classes = {c.name.value for c in source.all(cst.ClassDef) if is_module(c)}
    return any(
        last_name(call.func) in LAYERS or last_name(call.func) in classes
        for call in source.all(cst.Call, value)
    )


def _fills(source: Source, function: cst.FunctionDef, kept: str) -> bool:
    """Whether layers are put into a list or dict of that name afterwards."""
    for call in source.calls("append", "insert", "extend", within=function):
        if not isinstance(call.func, cst.Attribute):
            continue
        if source.code(call.func.value) == kept and _layers_in(source, call):
            return True
    for target in source.all(cst.AssignTarget, function):
        assign = source.parent(target)
        if (
            isinstance(target.target, cst.Subscript)
            and source.code(target.target.value) == kept
            and isinstance(assign, cst.Assign)
            and _layers_in(source, assign)
        ):
            return True
    return any(
        source.code(node.target) == kept and _layers_in(source, node)
        for node in source.all(cst.AugAssign, function)
    )


def _listed(source: Source, function: cst.FunctionDef, name: str) -> bool:
    """Whether a local name holds a list of layers that is written out."""
    for target in source.all(cst.AssignTarget, function):
        assign = source.parent(target)
        if source.code(target.target) == name and isinstance(assign, cst.Assign):
            return isinstance(assign.value, (cst.List, cst.ListComp)) and _layers_in(
                source, assign.value
            )
    return False


def _loose_tensor(value: cst.BaseExpression) -> bool:
    """`torch.randn(3, requires_grad=True)`."""
    return (
        isinstance(value, cst.Call)
        and any(a.keyword is not None and a.keyword.value == "requires_grad" for a in value.args)
        and last_name(value.func) not in ("Parameter", "Buffer")
    )


def _without_flag(source: Source, value: cst.BaseExpression) -> str:
    """The text of a tensor's making without `requires_grad=True`."""
    assert isinstance(value, cst.Call)
    flags = [a for a in value.args if a.keyword is not None and a.keyword.value == "requires_grad"]
    kept = [source.code(a) for a in value.args if a not in flags]
    kept = [text.rstrip().rstrip(",").rstrip() for text in kept]
    return f"{source.code(value.func)}({', '.join(kept)})"
