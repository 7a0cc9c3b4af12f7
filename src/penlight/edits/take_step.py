"""take-step: an optimiser step behind every backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import assigned_to
from penlight.edits.models import known_at
from penlight.edits.names import is_optimizer
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted

INSTRUCTION = "Call optimizer.step() after loss.backward(), in every iteration."


@dataclass(frozen=True)
class TakeStep(Edit):
    """Call step() of the optimiser that never takes one, where the gradients are made."""

    certain = True

    @property
    def says(self) -> str:
        return "Call optimizer.step() after loss.backward()"

    def source(self, scene: Scene) -> Sequence[Change]:
        hygiene = scene.run.hygiene
        if not hygiene.unstepped:
            raise Refused("An optimiser takes steps already.")
        source, backward = _backward(scene)
        name = _named(scene, source, backward)
        loops = (cst.For, cst.While, cst.FunctionDef)
        body = source.enclosing(backward, *loops) or source.module
        idle = [
            call
            for call in source.calls("step", within=body)
            if isinstance(call.func, cst.Attribute) and source.code(call.func.value) == name
        ]
        changes = [_without(source, call) for call in idle]  # under a condition that never held
        return [source.after(backward, f"{name}.step()"), *changes]


def _backward(scene: Scene) -> tuple[Source, cst.Call]:
    """The one backward() of the project."""
    found = [(s, c) for s in map(scene.source, scene.files) for c in s.calls("backward")]
    if len(found) != 1:
        count = len(found) or "no"
        raise Refused(f"The source shows {count} calls of backward().", INSTRUCTION)
    return found[0]


def _named(scene: Scene, source: Source, backward: cst.Call) -> str:
    """What the optimiser is called where the gradients are made."""
    body = source.enclosing(backward, cst.FunctionDef, cst.Module) or source.module
    clearing = {
        dotted(call.func.value)
        for call in source.calls("zero_grad", within=body)
        if isinstance(call.func, cst.Attribute)
    }
    made, calls = scene.calls_at(scene.run.hygiene.unstepped_source, scene.run.hygiene.unstepped)
    name = assigned_to(made, calls[0])
    if name and made is source and known_at(source, name, calls[0], backward):
        return name
    held = [n for n in clearing if is_optimizer(n)]
    if len(held) != 1:
        raise Refused(
            "What the optimiser is called in the training loop is not clear.", INSTRUCTION
        )
    return held[0]


def _without(source: Source, call: cst.Call) -> Change:
    """The text without a step; with its `else:`, where nothing else stands there."""
    statement = source.statement(call)
    block = source.enclosing(statement, cst.IndentedBlock)
    other = source.parent(block) if block is not None else None
    if not isinstance(other, cst.Else) or len(other.body.body) != 1:
        return source.drop(call)
    first = source.text.rfind("\n", 0, source.span(other)[0]) + 1
    stop = source.text.find("\n", source.span(statement)[1])
    return Change(source.file, first, len(source.text) if stop < 0 else stop + 1, "")
