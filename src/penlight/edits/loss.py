"""loss: the loss function that fits the task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.compiled import compiled
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import put
from penlight.edits.heads import bare, from_model, head_op, thresholds
from penlight.edits.losses import CLASSES, LossCall, any_loss_call, renamed, twins
from penlight.edits.names import member
from penlight.edits.scene import Scene
from penlight.edits.source import Change, last_name
from penlight.edits.training import Training

LOGITS = ("cross_entropy", "binary_cross_entropy_with_logits")
HEADS = {"cross_entropy": "softmax", "binary_cross_entropy_with_logits": "sigmoid"}


@dataclass(frozen=True)
class Loss(Edit):
    """Train with another loss function; an activation that it applies itself goes.

    Args:
        function: its name in torch.nn.functional, such as cross_entropy.
    """

    new_rate = True
    function: str

    def __post_init__(self) -> None:
        if self.function not in CLASSES:
            raise ValueError(f"{self.function} is no loss function of torch.nn.functional.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:
        objective, (head, _) = scene.run.objective, head_op(scene.run)
        if objective is None:
            if finding.pitfall == "single-unit-softmax" and compiled(scene) is not None:
                yield cls("binary_cross_entropy")
            return
        one = len(objective.input_shape) < 2 or objective.input_shape[1] == 1
        now, seen = objective.function, scene.run.targets()
        if finding.pitfall == "double-softmax":
            if head == "sigmoid" and now == "binary_cross_entropy_with_logits":
                yield cls("binary_cross_entropy")
        elif objective.multi_hot and now == "cross_entropy":
            yield cls(LOGITS[1])
        elif finding.pitfall == "loss-task-mismatch" and now not in ("mse_loss", "l1_loss"):
            yield cls("mse_loss")
        elif one and seen is not None and (seen.min < 0 or seen.max > 1):
            if not seen.integral:  # else classes, which need an output each
                yield cls("mse_loss")
        elif one:
            yield cls("binary_cross_entropy" if head == "sigmoid" else LOGITS[1])
        elif now != "cross_entropy":
            yield cls("cross_entropy")

    @property
    def says(self) -> str:
        return f"Use {CLASSES[self.function]} as the loss"

    def source(self, scene: Scene) -> Sequence[Change]:
        keras = compiled(scene)
        if keras is not None:
            seen = scene.run.targets()
            return list(keras.with_loss(self.function, seen is not None and len(seen.mean) > 1))
        found = any_loss_call(scene)
        if found.function == self.function:
            raise Refused(f"The loss is {self.function} already.")
        return [
            *renamed(found, self.function),
            *(
                change
                for each in twins(scene, found)
                if each is found or found.maker is not None
                for change in _target(scene, each, self.function)
            ),
            *_raw_outputs(scene, self.function),
            *_each_alone(scene, self.function),
        ]

    def live(self, training: Training) -> None:
        from torch import nn

        kind = getattr(nn, CLASSES[self.function])
        if isinstance(training.loss, kind):
            raise Refused(f"The loss is {self.function} already.")
        training.loss = kind()


def _target(scene: Scene, found: LossCall, function: str) -> Iterator[Change]:
    """The targets in the type and shape that the new loss takes."""
    objective, arg = scene.run.objective, found.target
    assert objective is not None
    if arg is None:
        return
    integral = objective.target_dtype.startswith(("int", "uint", "bool"))
    shape, text = objective.target_shape, found.source.code(arg.value)
    if function == "cross_entropy":
        if not integral and shape != objective.input_shape:
            column = shape[1:] == (1,)
            text = f"{text}.squeeze(1).long()" if column else f"{text}.long()"
    else:
        if integral:
            text = f"{text}.float()"
        if len(objective.input_shape) == 2 and len(shape) == 1:
            text = f"{text}.unsqueeze(1)"
    if text != found.source.code(arg.value):
        yield put(found.source, arg.value, text)


def _raw_outputs(scene: Scene, function: str) -> Sequence[Change]:
    """The activation that the new loss applies itself, or that it cannot do with, taken away."""
    head, _ = head_op(scene.run)
    unwanted = HEADS.get(function, "")
    bounded = function == "mse_loss" and head in ("sigmoid", "softmax")
    single = function == LOGITS[1] and head == "softmax"  # over one unit it is always 1
    if not head or not (head == unwanted or bounded or single):
        return ()
    judged = thresholds(scene) if function == LOGITS[1] else ()
    return [*bare(scene), *judged]


def _each_alone(scene: Scene, function: str) -> Iterator[Change]:
    """Several labels to a row: what reads the outputs through a softmax reads each alone now."""
    objective = scene.run.objective
    if function != LOGITS[1] or objective is None or not objective.multi_hot:
        return
    for source in map(scene.source, scene.files):
        for call in source.calls("softmax"):
            if isinstance(call.func, cst.Attribute) and from_model(scene, source, call):
                module = last_name(call.func.value) in ("torch", "F", "functional")
                outputs = call.args[0].value if module and call.args else call.func.value
                name, imports = member(source, "torch", "sigmoid")
                yield from imports
                yield source.replace(call, f"{name}({source.code(outputs)})")
