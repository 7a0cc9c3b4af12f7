"""standardise-targets: learn on targets of scale one, report in the original scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.data import feeds, in_training, model_calls
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import whole
from penlight.edits.names import pair
from penlight.edits.places import before_use
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, dotted, last_name
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
        try:
            loop = scene.loop
        except Refused:
            if keras := list(_keras(scene)):
                return keras
            raise
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
        mean, std, code = _statistics(scene, source, feed.rows)
        changes = [before_use(feed.source, [feed], code)]
        changes.append(source.replace(target, f"({source.code(target)} - {mean}) / {std}"))
        for place, call in outside:
            changes.append(_put_back(place, call, mean, std))
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


def _statistics(scene: Scene, source: Source, rows: str) -> tuple[str, str, str]:
    """Names for mean and standard deviation, and the line that takes them of rows."""
    names = ("mean", "std"), ("y_mean", "y_std"), ("target_mean", "target_std")
    mean, std = pair(source, *names)
    seen = scene.run.targets()
    over = "0" if seen is not None and len(seen.mean) > 1 else ""
    return mean, std, f"{mean}, {std} = {rows}.mean({over}), {rows}.std({over})"


def _put_back(source: Source, call: cst.Call, mean: str, std: str) -> Change:
    """A prediction in the original scale."""
    text = f"{source.code(call)} * {std} + {mean}"
    alone = isinstance(source.parent(call), (cst.Arg, cst.Assign, cst.Return))
    return source.replace(call, text if alone else f"({text})")


def _keras(scene: Scene) -> Iterator[Change]:
    """For the fit() of a Keras model: what it and evaluate() are given, what predict() returns."""
    source = scene.script
    fits = [c for c in source.calls("fit") if isinstance(c.func, cst.Attribute)]
    fits = [c for c in fits if argument(c, "y", 1) is not None]  # no scaler's
    if len(fits) != 1 or not any(source.calls("compile")):
        return
    fit = fits[0]
    assert isinstance(fit.func, cst.Attribute)
    owner, scope = dotted(fit.func.value), source.enclosing(fit, cst.FunctionDef, cst.Module)
    asked = [
        c
        for c in source.calls("predict", "predict_on_batch", "evaluate", owner)
        if last_name(c.func) == owner or _on(c, owner)
    ]
    start = source.span(fit)[0]
    for call in asked:
        same = source.enclosing(call, cst.FunctionDef, cst.Module) is scope
        if not same or source.span(call)[0] < start or last_name(call.func) == owner:
            line = source.lines(call)[0]
            raise Refused(
                f"{source.file}:{line} asks the model out of sight of its fit().", BY_HAND
            )
    held = argument(fit, "validation_data")
    if held is not None and not (
        isinstance(held.value, cst.Tuple) and len(held.value.elements) == 2
    ):
        raise Refused("The targets of the validation data are not visible.", BY_HAND)
    wanted = argument(fit, "y", 1)
    assert wanted is not None
    rows = whole(source, wanted.value)
    mean, std, code = _statistics(scene, source, rows)
    yield source.before(source.statement(fit), code)
    targets = [wanted.value]
    if held is not None:
        targets.append(held.value.elements[1].value)  # type: ignore[attr-defined]
    for call in asked:
        if last_name(call.func) == "evaluate":
            given = argument(call, "y", 1)
            if given is None:
                raise Refused("The targets of evaluate() are not visible.", BY_HAND)
            targets.append(given.value)
        else:
            yield _put_back(source, call, mean, std)
    for node in targets:
        yield source.replace(node, f"({whole(source, node)} - {mean}) / {std}")


def _on(call: cst.Call, owner: str) -> bool:
    return isinstance(call.func, cst.Attribute) and dotted(call.func.value) == owner


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
