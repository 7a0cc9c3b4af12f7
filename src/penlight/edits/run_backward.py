"""run-backward: gradients of the loss in front of every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import assigned_to
from penlight.edits.names import is_optimizer
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name

INSTRUCTION = "Call loss.backward() before optimizer.step(), in every iteration."


@dataclass(frozen=True)
class RunBackward(Edit):
    """Call backward() on the loss before the optimiser's step."""

    certain = True

    @property
    def says(self) -> str:
        return "Call loss.backward() before optimizer.step()"

    def source(self, scene: Scene) -> Sequence[Change]:
        sources = list(map(scene.source, scene.files))
        if any(call for source in sources for call in source.calls("backward")):
            raise Refused("The source calls backward() already.")
        name = assigned_to(*scene.optimizer()[:2])
        steps = [
            (source, call)
            for source in sources
            for call in source.calls("step")
            if isinstance(call.func, cst.Attribute)
            and (source.code(call.func.value) == name or is_optimizer(dotted(call.func.value)))
        ]
        if len(steps) != 1:
            raise Refused(f"The source shows {len(steps)} steps of an optimiser.", INSTRUCTION)
        source, step = steps[0]
        return [source.before(step, f"{_loss(source, step)}.backward()")]


def _loss(source: Source, step: cst.Call) -> str:
    """The name that the loss has where the step is taken."""
    body = source.enclosing(step, cst.For, cst.While, cst.FunctionDef) or source.module
    limit = source.span(step)[0]
    found = [
        target.target
        for target in source.all(cst.AssignTarget, body)
        if "loss" in last_name(target.target).lower()
        and source.span(target)[0] < limit
        and not _number(source, target)
    ]
    names = list(dict.fromkeys(source.code(target) for target in found))
    if "loss" in names:
        return "loss"
    if len(names) != 1:
        raise Refused("Which value is the loss cannot be told from the text.", INSTRUCTION)
    return names[0]


def _number(source: Source, target: cst.AssignTarget) -> bool:
    """Whether a plain number is assigned: a sum for the log that begins at 0."""
    assign = source.parent(target)
    value = assign.value if isinstance(assign, cst.Assign) else None
    return isinstance(value, (cst.Integer, cst.Float)) or (
        isinstance(value, cst.Call) and last_name(value.func) == "item"
    )
