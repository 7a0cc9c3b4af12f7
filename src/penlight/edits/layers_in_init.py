"""layers-in-init: layers that forward() makes anew in each pass are made once, in __init__."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.models import is_module
from penlight.edits.module_list import LAYERS
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name

INSTRUCTION = "Make the layer in __init__ (self.head = nn.Linear(...)) and only call it in forward."
ELSEWHERE = ("to", "cuda", "cpu", "double", "float", "half")  # (...) of a module give it back


@dataclass(frozen=True)
class LayersInInit(Edit):
    """Make in __init__ what forward() makes anew, with new random weights, in each pass."""

    certain = True

    @property
    def says(self) -> str:
        return "Make the layers once, in __init__, not anew in each forward pass"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes = [c for file in scene.files for c in _moved(scene.source(file))]
        if not changes:
            raise Refused("No forward() of a module makes a layer with weights.", INSTRUCTION)
        return changes


def _moved(source: Source) -> Iterator[Change]:
    for owner in source.all(cst.ClassDef):
        methods = {d.name.value: d for d in source.all(cst.FunctionDef, owner)}
        forward, init = methods.get("forward"), methods.get("__init__")
        if not is_module(owner) or forward is None or init is None:
            continue
        made = [c for c in source.calls(*LAYERS, within=forward) if not _within(source, c, forward)]
        if not made:
            continue
        me = forward.params.params[0].name.value
        taken = {
            n.attr.value
            for n in source.all(cst.Attribute, owner)
            if isinstance(n.value, cst.Name) and n.value.value in (me, "self")
        }
        lines = []
        for call in made:
            _check(source, call, forward, me)
            name = _name(source, call, taken)
            taken.add(name)
            lines.append(f"self.{name} = {source.code(call).replace(f'{me}.', 'self.')}")
            yield source.replace(_whole(source, call), f"{me}.{name}")
        last = init.body.body[-1]
        statement = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else last
        yield source.after(statement, "\n".join(lines))


def _within(source: Source, call: cst.Call, forward: cst.FunctionDef) -> bool:
    """Whether a layer is made for another one: `Sequential(Linear(...))` moves as a whole."""
    return any(
        isinstance(parent, cst.Call) and last_name(parent.func) in LAYERS
        for parent in source.parents(call)
        if source.inside(parent, forward)
    )


def _check(source: Source, call: cst.Call, forward: cst.FunctionDef, me: str) -> None:
    """Raise Refused where the layer cannot be made earlier."""
    if source.enclosing(call, cst.For, cst.While, cst.Lambda, cst.ListComp) is not None:
        raise Refused("forward() makes layers in a loop.", INSTRUCTION)
    own = {p.name.value for p in forward.params.params} - {me}
    own |= {t.target.value for t in source.all(cst.AssignTarget, forward)
            if isinstance(t.target, cst.Name)}  # fmt: skip
    used = {n.value for arg in call.args for n in source.all(cst.Name, arg)}
    if used & own:
        what = sorted(used & own)[0]
        raise Refused(f"The layer's size depends on {what}, which only forward() has.", INSTRUCTION)


def _whole(source: Source, call: cst.Call) -> cst.BaseExpression:
    """The layer with what moves it to a device: `Linear(...).to(x.device)`."""
    whole: cst.BaseExpression = call
    while True:
        attribute = source.parent(whole)
        outer = source.parent(attribute) if attribute is not None else None
        moved = isinstance(attribute, cst.Attribute) and attribute.attr.value in ELSEWHERE
        if not moved or not isinstance(outer, cst.Call) or outer.func is not attribute:
            return whole
        whole = outer


def _name(source: Source, call: cst.Call, taken: set[str]) -> str:
    """What the layer is called: as the variable that it was assigned to, or as its class."""
    statement = source.parent(_whole(source, call))
    name = last_name(call.func).lower()
    if isinstance(statement, cst.Assign) and isinstance(statement.targets[0].target, cst.Name):
        name = statement.targets[0].target.value
    names = [name, *(f"{name}{n}" for n in range(2, len(taken) + 3))]
    return next(n for n in names if n not in taken)
