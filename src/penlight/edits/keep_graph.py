"""keep-graph: nothing between the layers and the loss cuts the gradient off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.facts import Optimizer
from penlight.core.run import Run
from penlight.edits.computed_weights import through_the_layer
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import assigned_to, calls_in, made_of, unwrap
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name
from penlight.pitfalls._graph import wirings

CUTS = ("detach", "detach_")
GRADIENT_FREE = ("no_grad", "inference_mode")
ROUNDED = ("argmax", "round", "sign", "floor", "ceil", "item", "numpy", "tolist")
FLAT = {"Round": "round", "Floor": "floor", "Ceil": "ceil", "Sign": "sign", "Trunc": "trunc"}
FORWARD = ("forward", "__call__", "encode", "features", "embed")
NO_TENSORS = ("self", "torch", "torch.utils", "args", "keras")  # their .data is another thing
INSTRUCTION = (
    "Remove detach(), .data, no_grad() or the round trip through numpy between the layers and "
    "the loss."
)


@dataclass(frozen=True)
class Cut:
    """A place that cuts the graph: `node` yields what `inner` had, without its history."""

    source: Source
    node: cst.CSTNode
    inner: cst.BaseExpression | None


@dataclass(frozen=True)
class KeepGraph(Edit):
    """Take out what cuts the graph, or rounds, between the model's layers and the loss."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Keep the graph: take out what cuts the gradient off before the loss"

    def source(self, scene: Scene) -> Sequence[Change]:
        rewrapped = _rewrapped_loss(scene)
        if rewrapped:
            return rewrapped
        written = [c for file in scene.files for c in through_the_layer(scene.source(file))]
        if written:
            return written
        rounded = _rounded(scene)
        if rounded is not None:
            return [unwrap(*rounded)]
        names = _stopped(scene.run)
        found = [c for file in scene.files for c in _cuts(scene.source(file))]
        found = [c for c in found if not _harmless(c)]
        near = _before_the_step(scene, found) or [c for c in found if _leads_to(c, names)]
        chosen = near or found
        if not chosen or (not near and len(chosen) > 1):
            count = "no place" if not chosen else f"{len(chosen)} places"
            raise Refused(f"The source shows {count} that may cut the gradient off.", INSTRUCTION)
        return [change for cut in chosen for change in _joined(cut)]


def _before_the_step(scene: Scene, found: Sequence[Cut]) -> list[Cut]:
    """Those in the turn of the optimiser that finds no gradient, among several that take turns.

    The same line belongs into the turn of a discriminator and not into that of a generator.
    """
    hungry = _hungry(scene.run)
    if hungry is None or not hungry.source or len(scene.run.optimizers) < 2:
        return []
    try:
        source, calls = scene.calls_at(hungry.source, hungry.type)
    except Refused:  # built somewhere else
        return []
    name = assigned_to(source, calls[0])
    turns = [
        (source.span(c)[0], dotted(c.func.value))
        for c in source.calls("step")
        if isinstance(c.func, cst.Attribute)
    ]
    ends = [at for at, owner in turns if owner == name]
    if len(ends) != 1:
        return []
    start = max((at for at, owner in turns if at < ends[0] and owner != name), default=0)
    return [c for c in found if c.source is source and start < source.span(c.node)[0] < ends[0]]


def _hungry(run: Run) -> Optimizer | None:
    """The optimiser whose weights a loss does not lead to, or not by all of its terms."""
    seen = run.hygiene
    idle = seen.idle_optimizer
    return run.optimizer(seen.empty_optimizer if idle is None else idle)


def _rounded(scene: Scene) -> tuple[Source, cst.Call, cst.BaseExpression] | None:
    """The one call in a forward pass that rounds what it is given, and that; None: no such one."""
    seen = {FLAT[name] for wiring in wirings(scene.run) for name in wiring.names if name in FLAT}
    found = []
    for source in map(scene.source, scene.files):
        for call in source.calls(*seen):
            function = source.enclosing(call, cst.FunctionDef)
            owner = call.func.value if isinstance(call.func, cst.Attribute) else None
            given = call.args[0].value if call.args else owner
            forward = isinstance(function, cst.FunctionDef) and function.name.value in FORWARD
            if forward and given is not None:
                found.append((source, call, given))
    return found[0] if len(found) == 1 else None


def _stopped(run: Run) -> set[str]:
    """The parts of the names of the modules that are used and get no gradient."""
    cut = [p for p in run.parameters if p.requires_grad and p.reached is False]
    parts = {part for p in cut for part in p.module.split(".") if part and not part.isdigit()}
    return parts | {p.root for p in cut}


def _cuts(source: Source) -> Iterator[Cut]:
    """Everything in a file that yields a value without its history."""
    for node in source.all(cst.Attribute):
        written = isinstance(source.parent(node), cst.AssignTarget)
        if node.attr.value == "data" and not written and dotted(node.value) not in NO_TENSORS:
            yield Cut(source, node, node.value)
    for call in source.all(cst.Call):
        if isinstance(call.func, cst.Attribute) and call.func.attr.value in CUTS and not call.args:
            yield Cut(source, call, call.func.value)
    for block in source.all(cst.With):
        names = [last_name(i.item.func) for i in block.items if isinstance(i.item, cst.Call)]
        if any(n in GRADIENT_FREE for n in names) and len(block.items) == 1:
            yield Cut(source, block, None)


def _harmless(cut: Cut) -> bool:
    """Whether it is evaluation, bookkeeping or a weight that is written by hand."""
    source, node = cut.source, cut.node
    if isinstance(node, cst.With):
        owner = source.enclosing(node, cst.FunctionDef)
        return not (isinstance(owner, cst.FunctionDef) and owner.name.value in FORWARD)
    for parent in source.parents(node):
        if isinstance(parent, (cst.FormattedString, cst.AugAssign)):
            return True
        if isinstance(parent, cst.Call) and parent.func is not node:
            name = last_name(parent.func)
            if name in ("print", "append", "log", "add_scalar", "write", *ROUNDED, "cpu", "float"):
                return True
        if isinstance(parent, cst.With):
            names = [last_name(i.item.func) for i in parent.items if isinstance(i.item, cst.Call)]
            if any(n in GRADIENT_FREE for n in names):
                return True
    after = source.parent(node)
    if isinstance(after, cst.Attribute):  # loss.detach().item(), h.data.normal_()
        return after.attr.value in (*ROUNDED, "cpu") or after.attr.value.endswith("_")
    if isinstance(after, cst.BinaryOperation):  # x + (x.round() - x).detach()
        return isinstance(cut.inner, cst.BinaryOperation)
    return False


def _leads_to(cut: Cut, names: set[str]) -> bool:
    """Whether one of these modules made the value that is cut off."""
    if cut.inner is None:
        calls = list(cut.source.all(cst.Call, cut.node))
    else:
        calls = list(calls_in(cut.source, cut.inner))
    return any(names & set(dotted(c.func).split(".")) for c in calls)


def _joined(cut: Cut) -> Iterator[Change]:
    """The changes that let the gradient through."""
    source, node = cut.source, cut.node
    if cut.inner is not None:
        assert isinstance(node, cst.BaseExpression)
        statement = source.parent(node)
        if isinstance(statement, cst.Expr):  # x.detach_()
            yield source.drop(statement)
            return
        yield unwrap(source, node, cut.inner)
        return
    assert isinstance(node, cst.With)
    yield from _dedented(source, node)


def _dedented(source: Source, block: cst.With) -> Iterator[Change]:
    """The statements of a `with` in its place, one level further out."""
    body = block.body
    if not isinstance(body, cst.IndentedBlock):
        raise Refused("The block without gradients stands on one line.", INSTRUCTION)
    start, end = source.span(block)
    line = source.text.rfind("\n", 0, start) + 1
    outer = source.text[line:start]
    first = source.text.index("\n", source.span(block.items[-1])[1]) + 1
    inner_start = source.span(body.body[0])[0]
    inner = source.text[source.text.rfind("\n", 0, inner_start) + 1 : inner_start]
    lines = source.text[first:end].split("\n")
    moved = [outer + x[len(inner) :] if x.startswith(inner) else x for x in lines]
    yield Change(source.file, line, end, "\n".join(moved))


def _rewrapped_loss(scene: Scene) -> list[Change]:
    """The changes that undo `loss = torch.tensor(loss.item(), requires_grad=True)`.

    Raises:
        Refused: the loss is made of choices that have no derivative.
    """
    try:
        loop = scene.loop
    except Refused:
        return []
    source, changes = loop.source, []
    for part in made_of(source, loop.loss):
        if not isinstance(part, cst.Call) or not source.inside(part, loop.body):
            continue
        if last_name(part.func) == "requires_grad_" and isinstance(part.func, cst.Attribute):
            changes.append(unwrap(source, part, part.func.value))
        elif last_name(part.func) in ("tensor", "Variable", "as_tensor") and part.args:
            inner = part.args[0].value
            while (
                isinstance(inner, cst.Call)
                and isinstance(inner.func, cst.Attribute)
                and inner.func.attr.value in ("item", "detach", "clone", "cpu", "numpy")
            ) or (isinstance(inner, cst.Attribute) and inner.attr.value == "data"):
                inner = inner.func.value if isinstance(inner, cst.Call) else inner.value  # type: ignore[attr-defined]
            changes.append(unwrap(source, part, inner))
    if changes and any(
        last_name(c.func) == "argmax"
        for part in made_of(source, loop.loss)
        for c in calls_in(source, part)
    ):
        raise Refused(
            "The loss is computed from argmax, which has no derivative.",
            "Compute the loss from the scores, with cross_entropy.",
        )
    return changes
