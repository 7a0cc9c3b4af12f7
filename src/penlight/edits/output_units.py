"""output-units: one output for each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.facts import Objective
from penlight.core.finding import Finding
from penlight.edits.compiled import LOSSES, Compiled, compiled
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import put
from penlight.edits.heads import ending, head_op, last_layer, last_layer_at, removed
from penlight.edits.losses import LossCall, any_loss_call, renamed, twins
from penlight.edits.outputs import Outputs, answered, peeled
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name
from penlight.edits.training import Training
from penlight.edits.values import number, set_argument

SIZES = {
    "Linear": ("out_features", 1), "LazyLinear": ("out_features", 0),
    "Conv1d": ("out_channels", 1), "Conv2d": ("out_channels", 1),
}  # fmt: skip
MOST = 100  # more distinct whole numbers than this are rather counts than classes
LOSS = "cross_entropy"
SOFTENED = ("softmax", "sigmoid")


@dataclass(frozen=True)
class OutputUnits(Edit):
    """Give the last layer that many units; where it had one, train with cross-entropy, and let
    the largest output be the answer.

    Args:
        units: the number of classes, 2 or more.
    """

    slot = "loss"
    new_rate = True
    units: int

    def __post_init__(self) -> None:
        if self.units < 2:
            raise ValueError("One score for each class: two or more units.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        seen = scene.run.targets()
        if seen is None or not seen.integral or seen.min < 0 or len(seen.mean) > 1:
            return
        if 2 <= (seen.distinct or 0) <= MOST:
            yield cls(int(seen.max) + 1)

    @property
    def says(self) -> str:
        return f"Give the model {self.units} outputs, one for each class, with cross-entropy"

    def source(self, scene: Scene) -> Sequence[Change]:
        keras = compiled(scene)
        if keras is not None:
            return self._keras(scene, keras)
        layer = last_layer_at(scene)
        kind = last_name(layer.maker.func)
        if kind not in SIZES:
            raise Refused(f"The last layer is a {kind}, which has no number of units.")
        _built_once(scene)
        name, position = SIZES[kind]
        width = _width(scene)
        if width == self.units:
            raise Refused(f"The last layer has {width} units already.")
        text = str(self.units)
        changes = [*set_argument(scene, layer.source, layer.maker, name, text, position)]
        return [*changes, *self._one_to_many(scene)] if width == 1 else changes

    def _one_to_many(self, scene: Scene) -> Iterator[Change]:
        found, outputs = any_loss_call(scene), Outputs(scene)
        objective = scene.run.objective
        assert objective is not None
        narrowings = outputs.narrowings
        if len(objective.input_shape) == 1 and not narrowings:
            raise Refused(
                "Where the output's one unit is taken cannot be told from the text.",
                "Return all units from the model, without squeeze().",
            )
        for each in twins(scene, found):
            if each.by_hand or (found.function != LOSS and (each is found or not found.maker)):
                yield from renamed(each, LOSS)
            yield from _as_classes(each, objective)
        inside = [(d.source, *d.source.span(d.node)) for d in outputs.decisions]
        flat = len(objective.input_shape) == 1 and not any(
            source.inside(node, found.call) for source, node, _ in narrowings
        )
        yield from (answered(decision, flat) for decision in outputs.decisions)
        for source, node, inner in narrowings:
            start, end = source.span(node)
            if not any(s is source and a <= start and end <= b for s, a, b in inside):
                yield from peeled(source, node, inner)
        if head_op(scene.run)[0] in SOFTENED:
            head = ending(scene)
            if head.inner is None or isinstance(head.source.parent(head.node), cst.Assign):
                yield from removed(head)
            else:
                yield from peeled(head.source, head.node, head.inner)

    def _keras(self, scene: Scene, keras: Compiled) -> list[Change]:
        source = keras.source
        layers = list(source.calls("Dense"))
        if not layers:
            raise Refused(f"{source.file} shows no Dense layer.")
        text = str(self.units)
        now = argument(layers[-1], "units", 0)
        if now is not None and number(scene, source, now.value) == self.units:
            raise Refused(f"The last layer has {self.units} units already.")
        changes = [*set_argument(scene, source, layers[-1], "units", text, 0)]
        if keras.loss_name not in LOSSES[LOSS]:
            changes += keras.with_loss(LOSS, onehot=False)
        return changes

    def live(self, training: Training) -> None:
        from torch import nn

        leaves = [
            (parent, name, child)
            for parent in training.model.modules()
            for name, child in parent.named_children()
            if not list(child.children()) and not isinstance(child, nn.Identity)
        ]
        if leaves and isinstance(leaves[-1][2], (nn.Sigmoid, nn.Softmax)):
            setattr(leaves[-1][0], leaves[-1][1], nn.Identity())
            leaves = leaves[:-1]
        if not leaves or not isinstance(leaves[-1][2], nn.Linear):
            raise Refused("The model does not end in a linear layer.")
        parent, name, old = leaves[-1]
        if old.out_features == self.units:
            raise Refused(f"The last layer has {self.units} units already.")
        new = nn.Linear(old.in_features, self.units, bias=old.bias is not None)
        new.to(old.weight.device, old.weight.dtype)
        setattr(parent, name, new)
        moved = {id(old.weight): new.weight, id(old.bias): new.bias}
        for group in training.optimizer.param_groups:
            group["params"] = [moved.get(id(p), p) for p in group["params"]]
        training.forget()
        if old.out_features == 1:
            loss = nn.CrossEntropyLoss()
            training.loss = lambda output, y: loss(output, y.reshape(len(output)).long())


def _built_once(scene: Scene) -> None:
    """That the text of the last layer builds no other layer as well.

    Raises:
        Refused: it does.
    """
    seen = scene.run.module(last_layer(scene.run))
    assert seen is not None
    same = [m for m in scene.run.modules if m.source == seen.source and m.type == seen.type]
    _, makers = scene.calls_at(seen.source, seen.type)
    if len(same) > len(makers):
        raise Refused(
            f"{seen.source} builds {len(same)} layers, of which only the last one should change.",
            "Give the last layer as many units as there are classes.",
        )


def _width(scene: Scene) -> int:
    """How many units the last layer has; 0 when that is not known."""
    seen = scene.run.module(last_layer(scene.run))
    shape = seen.output_shape if seen is not None else ()
    channels = seen is not None and seen.type.startswith("Conv")
    return (shape[1] if channels else shape[-1]) if len(shape) > 1 else 0


def _as_classes(found: LossCall, objective: Objective) -> Iterator[Change]:
    """The targets as a vector of class indices."""
    if found.target is None:
        raise Refused("The loss is not called with predictions and targets.")
    source, node = found.source, found.target.value
    column, cast = len(objective.target_shape) == 2, objective.target_dtype != "int64"
    kept = node
    while True:
        inner = _uncast(source, kept)
        if inner is None:
            break
        column = column and "float" in source.code(kept)[len(source.code(inner)) :]
        kept = inner
    if kept is node and not column and not cast:
        return
    text = source.code(kept)
    text = f"({text})" if kept.lpar else text
    yield put(source, node, f"{text}{'.squeeze(1)' if column else ''}.long()")


def _uncast(source: Source, node: cst.BaseExpression) -> cst.BaseExpression | None:
    """What an expression casts to float, or gives a dimension of size 1."""
    if isinstance(node, cst.Subscript):
        rest = "".join(source.code(node)[len(source.code(node.value)) :].split())
        return node.value if rest == "[:,None]" else None
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    form = (node.func.attr.value, tuple(source.code(a.value) for a in node.args))
    forms = {
        ("float", ()), ("unsqueeze", ("1",)), ("unsqueeze", ("-1",)), ("view", ("-1", "1")),
        ("reshape", ("-1", "1")), ("to", ("torch.float32",)), ("to", ("torch.float",)),
    }  # fmt: skip
    return node.func.value if form in forms else None
