"""The model in the user's files: its name where the optimiser is made, and its order of layers."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from penlight.core.run import Run
from penlight.edits.edit import Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Source, dotted, last_name

SCOPES = (cst.FunctionDef, cst.ClassDef, cst.Module)


@dataclass(frozen=True)
class Trained:
    """The model that the optimiser trains, by its name where `optimizer`, a call, is made."""

    source: Source
    optimizer: cst.Call
    name: str


def trained(scene: Scene) -> Trained:
    """The model whose parameters the run's one optimiser holds.

    Raises:
        Refused: they belong to no one name.
    """
    source, call, _ = scene.optimizer()
    if not call.args:
        raise Refused("The optimiser is given no parameters that could be followed.")
    given: cst.BaseExpression = call.args[0].value
    if isinstance(given, cst.Name):
        given = assigned_value(source, given, call) or given
    owners = [
        dotted(c.func.value)
        for c in [*source.calls("parameters", "named_parameters", within=given), given]
        if isinstance(c, cst.Call)
        and isinstance(c.func, cst.Attribute)
        and c.func.attr.value in ("parameters", "named_parameters")
    ]
    names = list(dict.fromkeys(owners))
    if not names or "" in names:
        raise Refused("Which model the optimiser trains is not visible where it is made.")
    shared = names[0].split(".")
    for name in names[1:]:
        parts = name.split(".")
        same = 0
        while same < min(len(shared), len(parts)) and shared[same] == parts[same]:
            same += 1
        shared = shared[:same]
    if not shared or (shared == ["self"] and len(names) > 1):
        raise Refused(f"The optimiser trains {' and '.join(names)} together.")
    return Trained(source, call, ".".join(shared))


def assigned_value(
    source: Source, name: cst.Name, before: cst.CSTNode
) -> cst.BaseExpression | None:
    """What was last assigned to a plain name in the scope of a node, above it."""
    limit = source.span(before)[0]
    scope = source.enclosing(before, *SCOPES)
    found = None
    for target in source.all(cst.AssignTarget):
        assign = source.parent(target)
        if (
            isinstance(target.target, cst.Name)
            and target.target.value == name.value
            and isinstance(assign, cst.Assign)
            and source.enclosing(target, *SCOPES) is scope
            and source.span(target)[0] < limit
        ):
            found = assign.value
    return found


def known_at(source: Source, name: str, maker: cst.CSTNode, user: cst.CSTNode) -> bool:
    """Whether a dotted name means the same where it was seen (`maker`) and at another node."""
    made, used = source.enclosing(maker, *SCOPES), source.enclosing(user, *SCOPES)
    if made is used:
        return True
    head = name.partition(".")[0]
    if head == "self":
        classes = (source.enclosing(n, cst.ClassDef) for n in (maker, user))
        one, other = classes
        return one is not None and one is other
    if isinstance(used, cst.FunctionDef):
        params = [*used.params.params, *used.params.kwonly_params]
        if any(p.name.value == head for p in params):
            return True
    return isinstance(made, cst.Module) and isinstance(used, cst.FunctionDef)


def parameters(scene: Scene, source: Source, user: cst.CSTNode, optimizer: str) -> str:
    """An expression for all parameters in training, written for where a node stands."""
    try:
        found = trained(scene)
    except Refused:
        found = None
    if found and found.source is source and known_at(source, found.name, found.optimizer, user):
        return f"{found.name}.parameters()"
    return f'[p for group in {optimizer}.param_groups for p in group["params"]]'


def weighted(run: Run) -> list[str]:
    """Names of the modules with a weight of two dimensions or more, in the order they run."""
    heavy = {p.module for p in run.parameters if len(p.shape) > 1}
    return [m.name for m in run.modules if m.name in heavy and "Embedding" not in m.type]


def path_to(run: Run, name: str) -> str:
    """A module as Python text behind its model's name: "net.0.fc" gives ".net[0].fc"."""
    module = run.module(name)
    if module is None:
        return attribute(name)
    inside = name.removeprefix(f"{module.root}.")
    return "" if inside == module.type else attribute(inside)  # a model itself goes by its class


def is_module(owner: cst.ClassDef) -> bool:
    """Whether a class is a torch module by its bases."""
    return any("Module" in last_name(base.value) for base in owner.bases)


def attribute(name: str) -> str:
    """A module's name as Python text behind the model's: "net.0.fc" gives ".net[0].fc"."""
    return "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in name.split(".") if p)
