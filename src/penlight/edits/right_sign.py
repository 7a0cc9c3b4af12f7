"""right-sign: a training that makes its loss smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits import own_update
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import drop_entry, last_value, put, unwrap
from penlight.edits.losses import definitions, loss_call, loss_parts
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument
from penlight.edits.training import Training

BINDING = (cst.BinaryOperation, cst.BooleanOperation, cst.Comparison, cst.IfExp, cst.Lambda)


@dataclass(frozen=True)
class RightSign(Edit):
    """Make the training's steps lower its loss, where they raised it."""

    certain = True

    @property
    def says(self) -> str:
        return "Turn the sign, so that each step makes the loss smaller"

    def source(self, scene: Scene) -> Sequence[Change]:
        if own_update.own(scene) and scene.run.optimizers[0].maximize:
            return own_update.descending(scene)
        if any(o.maximize for o in scene.run.optimizers):
            source, call, _ = scene.optimizer()
            arg = argument(call, "maximize")
            if arg is None:
                raise Refused(
                    f"{source.file}:{source.lines(call)[0]} names no maximize.",
                    "Take maximize=True away from what the optimiser is given.",
                )
            return [drop_entry(source, arg)]
        objective = scene.run.objective
        if objective is not None and objective.by_hand:
            return [_with_minus(scene)]
        return [_without_minus(scene)]

    def live(self, training: Training) -> None:
        groups = [g for g in training.optimizer.param_groups if g.get("maximize")]
        if not groups:
            raise Refused("The optimiser does not maximise; the sign is the loss's own.")
        for group in groups:
            group["maximize"] = False


def _without_minus(scene: Scene) -> Change:
    """The change that takes a minus off the loss."""
    found = loss_call(scene)
    for source, part in [(found.source, found.source.parent(found.call)), *loss_parts(scene)]:
        if isinstance(part, cst.UnaryOperation) and isinstance(part.operator, cst.Minus):
            return unwrap(source, part, part.expression)
    raise Refused(
        "The source shows no minus in front of the loss.",
        "Call backward() on the loss itself, not on its negative.",
    )


def _with_minus(scene: Scene) -> Change:
    """The change that puts one in front of a loss that is written by hand."""
    source, loss = _learnt_from(scene)
    value = last_value(source, loss) if isinstance(loss, cst.Name) else loss
    if isinstance(value, cst.Call):
        returned = [
            (where, r.value)
            for where, function in definitions(scene, source, value)
            for r in where.all(cst.Return, function)
            if r.value is not None
        ]
        if len(returned) == 1:
            source, value = returned[0]
    if value is None:
        raise Refused(
            f"{source.file}:{source.lines(loss)[0]} shows no loss that is computed there.",
            "Put a minus in front of the mean logarithm.",
        )
    code = source.code(value)
    return put(source, value, f"-({code})" if isinstance(value, BINDING) else f"-{code}")


def _learnt_from(scene: Scene) -> tuple[Source, cst.BaseExpression]:
    """What backward() is called on, also in a loop without an optimiser."""
    calls = [(s, c) for s in map(scene.source, scene.files) for c in s.calls("backward")]
    if len(calls) == 1 and isinstance(calls[0][1].func, cst.Attribute):
        return calls[0][0], calls[0][1].func.value
    return scene.loop.source, scene.loop.loss
