"""The loss in the user's files: the call that computes it, what builds it, and its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import libcst as cst

from penlight.core.facts import Objective
from penlight.edits.edit import Refused
from penlight.edits.flow import calls_in, made_of
from penlight.edits.models import SCOPES
from penlight.edits.names import member, sibling
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name

CLASSES = {
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "smooth_l1_loss": "SmoothL1Loss",
    "huber_loss": "HuberLoss",
    "soft_margin_loss": "SoftMarginLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss",
    "multi_margin_loss": "MultiMarginLoss",
    "poisson_nll_loss": "PoissonNLLLoss",
    "kl_div": "KLDivLoss",
}
KEPT = ("reduction",)  # options that the losses share
PREDICTIONS = ("pred", "out", "hat", "logit", "score", "prob", "model", "net", "input")


@dataclass(frozen=True)
class LossCall:
    """A call of a loss function.

    Args:
        call: `criterion(output, y)`, or `F.mse_loss(output, y)`.
        maker: `nn.MSELoss()`; None for a function.
        by_hand: the function is the user's own.
        swapped: ... and takes the target first, as those of Keras do.
        alias: where another name is given to the function, `self.criterion = F.mse_loss`.
    """

    source: Source
    call: cst.Call
    function: str
    made_in: Source
    maker: cst.Call | None = None
    by_hand: bool = False
    swapped: bool = False
    alias: tuple[Source, cst.BaseExpression] | None = None

    @property
    def input(self) -> cst.Arg | None:
        return argument(self.call, "input", int(self.swapped))

    @property
    def target(self) -> cst.Arg | None:
        return argument(self.call, "target", int(not self.swapped))

    @property
    def options(self) -> cst.Call:
        """The call that takes reduction, weight and the like."""
        return self.maker or self.call

    @property
    def options_in(self) -> Source:
        return self.made_in if self.maker is not None else self.source


def loss_call(scene: Scene, objective: Objective | None = None) -> LossCall:
    """The call of the main training loss.

    Raises:
        Refused: it is written by hand, or a package makes it.
    """
    objective = objective or scene.run.objective
    if objective is None or objective.by_hand:
        raise Refused("The loss is no call of a loss function of torch.")
    function, name = objective.function, CLASSES.get(objective.function, "")
    source, line = scene.place(objective.source)
    near = [c for c in source.all(cst.Call) if source.lines(c)[0] <= line <= source.lines(c)[1]]
    for call in near:
        if last_name(call.func) == function:
            return LossCall(source, call, function, source)
        if isinstance(call.func, cst.Call) and last_name(call.func.func) == name:
            return LossCall(source, call, function, source, call.func)
    makers = [(s, c) for s in map(scene.source, scene.files) for c in s.calls(name)]
    for call in near:
        for made_in, maker in makers:
            if last_name(call.func) and last_name(call.func) == _given_name(made_in, maker):
                return LossCall(source, call, function, made_in, maker)
    aliases = [
        (s, a.value)  # the F.mse_loss of criterion = F.mse_loss
        for s in map(scene.source, scene.files)
        for a in s.all(cst.Assign)
        if last_name(a.value) == function
    ]
    for call in near:
        for named_in, named in aliases:
            if last_name(call.func) and last_name(call.func) == _given_name(named_in, named):
                return LossCall(source, call, function, source, alias=(named_in, named))
    pairs = [c for c in near if len(c.args) >= 2 and not isinstance(c.func, cst.Call)]
    if len(makers) == 1 and pairs:
        return LossCall(source, pairs[0], function, *makers[0])
    raise Refused(
        f"Where the loss of {objective.source} is built cannot be told from the text.",
        f"Look for {name or function}.",
    )


def any_loss_call(scene: Scene) -> LossCall:
    """The call of the main training loss, also of a function of the user's that computes it.

    Raises:
        Refused: it is written into the training step, or a package makes it.
    """
    objective = scene.run.objective
    if objective is None or not objective.by_hand:
        return loss_call(scene)
    source = scene.loop.source
    for call in calls_in(source, scene.loop.loss):
        plain = len(call.args) == 2 and not any(a.keyword or a.star for a in call.args)
        sides = [predicts(scene, source, a.value) for a in call.args] if plain else []
        if sorted(sides) == [False, True] and any(definitions(scene, source, call)):
            function, swapped = objective.function, sides[1]
            return LossCall(source, call, function, source, by_hand=True, swapped=swapped)
    raise Refused(
        "The loss is written into the training step.",
        "Put a loss function of torch.nn.functional there.",
    )


def renamed(found: LossCall, function: str) -> Iterator[Change]:
    """The loss's name; options that the new one does not have go."""
    source, call = found.options_in, found.options
    new = CLASSES[function] if found.maker is not None else function
    named_in, named = found.alias or (source, call.func)
    if found.by_hand:
        name, imports = member(source, "torch.nn.functional", new)
    else:
        name, imports = sibling(named_in, named, new)
    yield from imports
    yield named_in.replace(named, name)
    if found.swapped:
        for word, arg in zip(("target", "input"), call.args, strict=True):
            yield source.insert(source.span(arg.value)[0], f"{word}=")
    positional = 0 if found.maker is not None else 2
    keywords = (*KEPT, "input", "target")
    options = [
        a
        for i, a in enumerate(call.args)
        if (a.keyword is None and i >= positional)
        or (a.keyword is not None and a.keyword.value not in keywords)
    ]
    for arg in options:
        row = list(call.args)
        at = row.index(arg)
        end = source.span(arg.value)[1]
        start = source.span(row[at - 1].value)[1] if at else source.span(arg)[0]
        yield Change(source.file, start, end, "")


def twins(scene: Scene, found: LossCall) -> Iterator[LossCall]:
    """All calls of the loss in the training, the evaluations among them."""
    yield found
    name = last_name(found.call.func)
    if not name:
        return
    for file in scene.files:
        source = scene.source(file)
        for call in source.calls(name):
            if call is not found.call and len(call.args) >= 2:
                yield replace(found, source=source, call=call)


def _given_name(source: Source, loss: cst.BaseExpression) -> str:
    """The name that a loss module, or a loss function, is assigned to."""
    parent = source.parent(loss)
    return last_name(parent.targets[0].target) if isinstance(parent, cst.Assign) else ""


def loss_parts(scene: Scene) -> Iterator[tuple[Source, cst.BaseExpression]]:
    """The expressions that the training loss is made of, functions of the project included."""
    seen: set[int] = set()
    queue = [(scene.loop.source, scene.loop.loss, 0)]
    while queue:
        source, value, depth = queue.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        for part in made_of(source, value):
            yield source, part
        if depth >= 3:
            continue
        for call in calls_in(source, value):
            for where, function in definitions(scene, source, call):
                returned = [
                    r.value
                    for r in where.all(cst.Return, function)
                    if r.value is not None
                    and where.enclosing(r, cst.FunctionDef, cst.Lambda) is function
                ]
                queue += [(where, r, depth + 1) for r in returned]


def definitions(
    scene: Scene, source: Source, call: cst.Call
) -> Iterator[tuple[Source, cst.FunctionDef]]:
    """The functions of the project that a call may run: by name, or a module's forward."""
    name = last_name(call.func)
    if not name:
        return
    classes = {name}
    for target in source.all(cst.AssignTarget):  # criterion = FocalLoss()
        assign = source.parent(target)
        if (
            last_name(target.target) == name
            and isinstance(assign, cst.Assign)
            and isinstance(assign.value, cst.Call)
        ):
            classes.add(last_name(assign.value.func))
    for file in scene.files:
        where = scene.source(file)
        for function in where.all(cst.FunctionDef):
            owner = where.enclosing(function, *SCOPES)
            if isinstance(owner, cst.ClassDef):
                called = function.name.value in ("forward", "__call__")
                method = function.name.value == name and isinstance(call.func, cst.Attribute)
                if method or (called and owner.name.value in classes):
                    yield where, function
            elif function.name.value == name and isinstance(call.func, cst.Name):
                yield where, function


def predicts(scene: Scene, source: Source, value: cst.BaseExpression) -> bool:
    """Whether an expression is the model's output rather than the labels, by what made it."""
    roots = {m.root for m in scene.run.modules}
    if any(last_name(c.func) in roots for c in calls_in(source, value)):
        return True
    function = source.enclosing(value, cst.FunctionDef)
    names = [
        n.value for n in ([value] if isinstance(value, cst.Name) else source.all(cst.Name, value))
    ]
    if not isinstance(function, cst.FunctionDef):
        return False
    params = [p.name.value for p in function.params.params if p.name.value != "self"]
    for i, param in enumerate(params):
        if param in names:
            given = _passed_first(scene, function, i)
            if given is not None:
                return given
            return any(word in param.lower() for word in PREDICTIONS)
    return False


def _passed_first(scene: Scene, function: cst.FunctionDef, position: int) -> bool | None:
    """Whether the calls of a function give it the model's output there; None: not told."""
    roots = {m.root for m in scene.run.modules}
    for file in scene.files:
        source = scene.source(file)
        for call in source.calls(function.name.value):
            if len(call.args) > position and any(
                last_name(c.func) in roots for a in call.args for c in calls_in(source, a.value)
            ):
                value = call.args[position].value
                return any(last_name(c.func) in roots for c in calls_in(source, value))
    return None
