"""standardise-targets: learn on targets of scale one, report in the original scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.data import feeds, in_training, model_calls
from penlight.edits.edit import Edit, Refused
from penlight.edits.names import pair
from penlight.edits.places import before_use
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument
from penlight.edits.training import Training

BY_HAND = (
    "Take mean and standard deviation of the training targets, learn on (y - mean) / std, and "
    "give predictions back as model(x) * std + mean."
)


@dataclass(frozen=True)
class StandardiseTargets(Edit):
    """Let the loss see targets of mean 0 and standard deviation 1.

    The statistics are the training part's. Wherever else the script asks the model, the
    prediction is put back into the original scale, so that what it reports keeps its meaning.
    """

    new_rate = True

    @property
    def says(self) -> str:
        return "Learn on standardised targets and put predictions back into their scale"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = scene.loop
        source = loop.source
        if _switched(source, loop.backward, loop.body):
            raise Refused("Training and evaluation share one loop.", BY_HAND)
        calls = model_calls(scene)
        target = _target(scene, calls)
        found = {feed.name: feed for feed in feeds(scene, source, target)}
        if len(found) != 1:
            raise Refused("The targets come from more than one variable.", BY_HAND)
        feed = next(iter(found.values()))
        outside = [(s, c) for s, c in calls if not in_training(scene, s, c)]
        for place, node in [(source, target), *outside]:
            scope = place.enclosing(node, cst.FunctionDef, cst.Module)
            at_top = isinstance(feed.scope, cst.Module)
            if place is not feed.source or not (scope is feed.scope or at_top):
                raise Refused(
                    f"{feed.source.file} makes the targets out of sight of {place.file}.", BY_HAND
                )
        if feed.changing and any(feed.name in s.code(c) for s, c in outside):
            raise Refused(f"Which rows of {feed.name} are for training is not visible.", BY_HAND)
        mean, std = pair(
            source, ("mean", "std"), ("y_mean", "y_std"), ("target_mean", "target_std")
        )
        seen = scene.run.targets()
        over = "0" if seen is not None and len(seen.mean) > 1 else ""
        code = f"{mean}, {std} = {feed.rows}.mean({over}), {feed.rows}.std({over})"
        changes = [before_use(feed.source, [feed], code)]
        changes.append(source.replace(target, f"({source.code(target)} - {mean}) / {std}"))
        for place, call in outside:
            text = f"{place.code(call)} * {std} + {mean}"
            alone = isinstance(place.parent(call), (cst.Arg, cst.Assign, cst.Return))
            changes.append(place.replace(call, text if alone else f"({text})"))
        return changes

    def live(self, training: Training) -> None:
        import torch

        targets = torch.cat([batch[1] for batch in training.batches])
        if not targets.is_floating_point():
            raise Refused("The targets are classes, which have no scale.")
        over = 0 if targets.dim() > 1 else ()
        mean, std = targets.mean(over), targets.std(over).clamp_min(1e-8)
        loss = training.loss
        training.loss = lambda outputs, y: loss(outputs, (y - mean) / std)


def _switched(source: Source, backward: cst.Call, body: cst.CSTNode) -> bool:
    """Whether the gradients are made under a condition, as where a loop serves both phases."""
    for parent in source.parents(backward):
        if parent is body:
            return False
        if isinstance(parent, cst.If):
            return True
    return False


def _target(scene: Scene, calls: Sequence[tuple[Source, cst.Call]]) -> cst.BaseExpression:
    """The targets in the training loss: a loss function's second argument, or what a prediction
    is subtracted from."""
    loop = scene.loop
    source = loop.source
    inside = [c for s, c in calls if s is source and source.inside(c, loop.body)]
    names = _predicted(source, inside, loop.body)

    def predictions(node: cst.BaseExpression) -> bool:
        return _holds(source, node, inside, names)

    found: list[cst.BaseExpression] = []
    for call in source.all(cst.Call, loop.body):
        given, wanted = argument(call, "input", 0), argument(call, "target", 1)
        if given is None or wanted is None or len(call.args) > 4:
            continue
        if predictions(given.value) and not predictions(wanted.value):
            found.append(wanted.value)
    if not found:
        for minus in source.all(cst.BinaryOperation, loop.body):
            if isinstance(minus.operator, cst.Subtract):
                sides = [s for s in (minus.left, minus.right) if not predictions(s)]
                if len(sides) == 1:
                    found += sides
    backward = source.span(loop.backward)[0]
    above = [node for node in found if source.span(node)[0] < backward]
    objective = scene.run.objective
    if len(above) > 1 and objective is not None:
        lines = scene.place(objective.source)[1]
        above = [n for n in above if source.lines(n)[0] <= lines <= source.lines(n)[1]]
    if len(above) != 1:
        raise Refused("The training loss does not show which of its values are targets.", BY_HAND)
    return above[0]


def _predicted(source: Source, calls: Sequence[cst.Call], body: cst.CSTNode) -> set[str]:
    """Names in the loop that hold what the model returned, or something made of it."""
    names: set[str] = set()
    for assign in source.all(cst.Assign, body):
        if _holds(source, assign.value, calls, names):
            names |= {
                target.target.value
                for target in assign.targets
                if isinstance(target.target, cst.Name)
            }
    return names


def _holds(
    source: Source, node: cst.BaseExpression, calls: Sequence[cst.Call], names: set[str]
) -> bool:
    if any(call is node or source.inside(call, node) for call in calls):
        return True
    inside = [node, *source.all(cst.Name, node)]
    return any(isinstance(n, cst.Name) and n.value in names for n in inside)
