"""optimise-all: every weight that the loss reaches goes into the optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.facts import Parameter
from penlight.core.run import Run
from penlight.edits.edit import Edit, Refused
from penlight.edits.loops import LOOPS, loops_around
from penlight.edits.models import SCOPES, assigned_value
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name
from penlight.edits.training import Training

INSTRUCTION = "Build the optimiser last, from all parameters that are to be trained."


@dataclass(frozen=True)
class OptimiseAll(Edit):
    """Give the optimiser the parameters that it lacks; build it after they exist."""

    certain = True

    @property
    def says(self) -> str:
        return "Give the optimiser all weights that the loss depends on"

    def source(self, scene: Scene) -> Sequence[Change]:
        if not left_out(scene.run):
            raise Refused("The optimiser holds every registered weight that the loss reaches.")
        again = _given_again(scene) or _group_forgotten(scene)
        if again is not None:
            return [again]
        changes: list[Change] = []
        for source, call, missing in _short(scene):
            late = _made_later(source, call)
            changes += (
                _moved(source, call, late[-1]) if late else _widened(scene, source, call, missing)
            )
        return changes

    def live(self, training: Training) -> None:
        held = {id(p) for g in training.optimizer.param_groups for p in g["params"]}
        new = [p for p in training.model.parameters() if p.requires_grad and id(p) not in held]
        if not new:
            raise Refused("The optimiser holds every weight of the model.")
        training.optimizer.add_param_group({"params": new})


def left_out(run: Run) -> list[Parameter]:
    """Registered weights that the loss reaches and no optimiser holds."""
    return [
        p
        for p in run.parameters
        if p.registered and p.requires_grad and p.reached and not p.optimised
    ]


def _given_again(scene: Scene) -> Change | None:
    """Where one of several optimisers got the model of an earlier one: the model it was meant for.

    A copied line: `optimizer = SGD(model_0.parameters())` in front of the training of `model_1`.
    """
    strangers = _strangers(scene.run)
    several = scene.optimizers() if len({o.source for o in scene.run.optimizers}) > 1 else []
    if len(strangers) != 1 or not several:
        return None
    source, call, _ = max(several, key=lambda made: made[0].span(made[1]))
    owners = _owners(source, call)
    twice = any(_owners(s, c) == owners for s, c, _ in several if c is not call)
    if len(owners) != 1 or not twice or not _known(source, call, strangers[0]):
        return None
    given = _given(source, call)
    named = [n for n in source.all(cst.Name, given) if n.value == owners[0]]
    return source.replace(named[0], strangers[0]) if len(named) == 1 else None


def _group_forgotten(scene: Scene) -> Change | None:
    """A group of parameters that was made like the others and, unlike them, never appended.

    `groups.append(group)` behind each `group = {...}` but the last one.
    """
    if len({o.source for o in scene.run.optimizers}) != 1:
        return None
    source, call, _ = scene.optimizer()
    given = call.args[0].value if call.args else None
    if not isinstance(given, cst.Name):
        return None
    scope, limit = source.enclosing(call, *SCOPES), source.span(call)[0]
    added = [
        c
        for c in source.calls("append", within=scope)
        if dotted(c.func) == f"{given.value}.append"
        and len(c.args) == 1
        and isinstance(c.args[0].value, cst.Name)
        and source.span(c)[0] < limit
    ]
    if not added:
        return None
    group, end = source.code(added[-1].args[0].value), source.span(added[-1])[1]
    anew = [
        t
        for t in source.all(cst.AssignTarget, scope)
        if isinstance(t.target, cst.Name)
        and t.target.value == group
        and end < source.span(t)[0] < limit
    ]
    if not anew or _block(source, anew[-1]) is not _block(source, call):
        return None
    return source.before(source.statement(call), f"{given.value}.append({group})")


def _short(scene: Scene) -> list[tuple[Source, cst.Call, list[Parameter]]]:
    """The optimisers that lack something, and what: of several, each lacks its own model's.

    Raises:
        Refused: there are several, and which one should hold a weight is not clear.
    """
    missing = left_out(scene.run)
    if len({o.source for o in scene.run.optimizers}) == 1:
        source, call, _ = scene.optimizer()
        return [(source, call, missing)]
    found = []
    for root in dict.fromkeys(p.root for p in missing):
        made = [
            (source, call)
            for source, call, _ in scene.optimizers()
            if root in (_model_of(owner).rpartition(".")[2] for owner in _owners(source, call))
        ]
        if len(made) != 1:
            count = len(scene.run.optimizers)
            raise Refused(
                f"The run has {count} optimisers, so which one should hold {root} is not clear.",
                INSTRUCTION,
            )
        found.append((*made[0], [p for p in missing if p.root == root]))
    return found


def _strangers(run: Run) -> list[str]:
    """Models that the loss reaches and of which no optimiser holds anything."""
    held = {p.root for p in run.parameters if p.optimised}
    return list(dict.fromkeys(p.root for p in left_out(run) if p.root not in held))


# -- built too early -----------------------------------------------------------------------------


def _owners(source: Source, call: cst.Call) -> list[str]:
    """The names whose parameters an optimiser is given: "model", "self.net.head"."""
    given = _given(source, call)
    owners = [
        _owner(c.func.value)
        for c in [given, *source.all(cst.Call, given)]
        if isinstance(c, cst.Call)
        and isinstance(c.func, cst.Attribute)
        and c.func.attr.value in ("parameters", "named_parameters")
    ]
    return [name for name in dict.fromkeys(owners) if name]


def _owner(node: cst.BaseExpression) -> str:
    """The name of a model or of its part; for `model[2]`, that of the model."""
    if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name):
        return node.value.value
    return dotted(node)


def _given(source: Source, call: cst.Call) -> cst.BaseExpression:
    if not call.args:
        raise Refused("The optimiser is given no parameters that could be followed.", INSTRUCTION)
    value = call.args[0].value
    if isinstance(value, cst.Name):
        return assigned_value(source, value, call) or value
    return value


def _made_later(source: Source, call: cst.Call) -> list[cst.Assign]:
    """Statements below the optimiser, in its block, that replace the model or a part of it."""
    owners = _owners(source, call)
    scope, limit = source.enclosing(call, *SCOPES), source.span(call)[1]
    block = _block(source, call)
    found = []
    for target in source.all(cst.AssignTarget, scope):
        name, assign = dotted(target.target), source.parent(target)
        related = any(name == o or name.startswith(f"{o}.") for o in owners)
        if (
            related
            and isinstance(assign, cst.Assign)
            and (made := _made(assign.value)) is not None
            and last_name(made.func)[:1].isupper() | (name in owners)
            and source.span(assign)[0] > limit
            and _block(source, assign) is block
            and last_name(made.func) != "compile"
        ):
            found.append(assign)
    return found


def _made(value: cst.BaseExpression) -> cst.Call | None:
    """The call that makes a module: `Net()` of `Net().to(device).train()`."""
    while isinstance(value, cst.Call) and last_name(value.func) in ("to", "cuda", "train", "eval"):
        if not isinstance(value.func, cst.Attribute):
            break
        value = value.func.value
    return value if isinstance(value, cst.Call) else None


def _block(source: Source, node: cst.CSTNode) -> cst.CSTNode | None:
    return source.enclosing(node, cst.IndentedBlock, cst.Module)


def _between(source: Source, first: cst.CSTNode, last: cst.CSTNode) -> list[cst.Name]:
    """The names that stand behind one statement and not behind another."""
    start, end = source.span(first)[1], source.span(last)[1]
    return [n for n in source.all(cst.Name) if start < source.span(n)[0] < end]


def _later(source: Source, name: cst.Name, first: cst.CSTNode, last: cst.CSTNode) -> bool:
    """Whether a name stands in a function that is only defined there, not called."""
    function = source.enclosing(name, cst.FunctionDef)
    if not isinstance(function, cst.FunctionDef) or source.inside(first, function):
        return False
    called = function.name.value
    return not any(
        n.value == called and n is not function.name for n in _between(source, first, last)
    )


def _moved(source: Source, call: cst.Call, last: cst.Assign) -> Sequence[Change]:
    """The optimiser's statement moved behind the last part that is built."""
    statement = source.statement(call)
    if not isinstance(statement, cst.Assign):
        raise Refused("The optimiser is not built in a statement of its own.", INSTRUCTION)
    name = source.code(statement.targets[0].target)
    if any(
        n.value == name.rpartition(".")[2] and not _later(source, n, statement, last)
        for n in _between(source, statement, last)
    ):
        raise Refused(
            f"{name} is used between the place where it is built and the last part of the model.",
            INSTRUCTION,
        )
    return [source.drop(statement), source.after(last, source.code(statement))]


# -- given too little ----------------------------------------------------------------------------


def _widened(
    scene: Scene, source: Source, call: cst.Call, missing: Sequence[Parameter]
) -> Sequence[Change]:
    """The optimiser's first argument, with what is missing."""
    given, owners = _given(source, call), _owners(source, call)
    strangers = [name for name in _strangers(scene.run) if name in {p.root for p in missing}]
    if set(strangers) & set(owners):
        raise Refused("The optimiser holds a model of that name, an earlier one.", INSTRUCTION)
    if not strangers:
        root = _common(owners)
        if not root:
            raise Refused(
                "Which model the optimiser trains is not visible where it is built.", INSTRUCTION
            )
        groups = _groups(given)
        if groups is None:
            if source.code(given) == f"{root}.parameters()":
                return [_built_anew(scene)]
            return [source.replace(given, f"{root}.parameters()")]
        modules = _modules(missing, [o.removeprefix(root).strip(".") for o in owners])
        texts = [f'{{"params": {root}.{m}.parameters()}}' for m in modules]
        return [_appended(source, groups, ", ".join(texts))]
    for name in strangers:
        if not _known(source, call, name):
            raise Refused(f"{name} is not known by name where the optimiser is built.", INSTRUCTION)
    groups = _groups(given)
    if groups is not None:
        texts = [f'{{"params": {name}.parameters()}}' for name in strangers]
        return [_appended(source, groups, ", ".join(texts))]
    more = ", ".join(f"*{name}.parameters()" for name in strangers)
    if isinstance(given, cst.List):
        return [_appended(source, given, more)]
    return [source.replace(given, f"[*{source.code(given)}, {more}]")]


def _built_anew(scene: Scene) -> Change:
    """The optimiser of a class of the script's own, made again once its subclass has its layers.

    `self.optimizer = Adam(self.parameters())` in the constructor of a base class comes before what
    the subclass adds; what it was made with is in its `defaults`.
    """
    loop = scene.loop
    source, owner = loop.source, loop.optimizer.rpartition(".")[0]
    function = source.enclosing(loop.step, cst.FunctionDef)
    around = [
        node
        for where, node in loops_around(source, loop.step)
        if function is None or (where is source and source.inside(node, function))
    ]
    again = isinstance(function, cst.FunctionDef) and any(
        source.enclosing(call, *LOOPS) for call in source.calls(function.name.value)
    )
    if not owner or again or not around:
        raise Refused("The optimiser is built before all layers are there.", INSTRUCTION)
    name = loop.optimizer
    return source.before(
        around[-1], f"{name} = type({name})({owner}.parameters(), **{name}.defaults)"
    )


def _common(owners: Sequence[str]) -> str:
    """The model that parts such as model.head and model.body belong to."""
    heads = {_model_of(name) for name in owners}
    return heads.pop() if len(heads) == 1 else ""


def _model_of(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] == "self" else 1])


def _groups(given: cst.BaseExpression) -> cst.List | None:
    """A list of parameter groups."""
    if not isinstance(given, cst.List):
        return None
    values = [e.value for e in given.elements]
    kinds = all(isinstance(v, (cst.Dict, cst.Call)) for v in values)
    return given if kinds and any(isinstance(v, cst.Dict) for v in values) else None


def _modules(missing: Sequence[Parameter], held: Sequence[str]) -> list[str]:
    """The outermost modules that hold what is missing and nothing that is there already."""
    found = []
    for parameter in missing:
        parts = parameter.module.split(".")
        if any(p.isdigit() for p in parts[:1]):
            raise Refused("The missing layers have no names of their own.", INSTRUCTION)
        name = parts[0]
        if any(h == name or h.startswith(f"{name}.") for h in held):
            raise Refused(f"Part of {name} is in the optimiser already.", INSTRUCTION)
        found.append(name)
    return list(dict.fromkeys(found))


def _appended(source: Source, row: cst.List, text: str) -> Change:
    end = source.span(row.elements[-1].value)[1]
    start = source.span(row.elements[-1].value)[0]
    line = source.text.rfind("\n", 0, start) + 1
    indent = source.text[line:start]
    return source.insert(end, f",\n{indent}{text}" if not indent.strip() else f", {text}")


def _known(source: Source, call: cst.Call, name: str) -> bool:
    """Whether a plain name is bound above a call, in its scope or in the module's."""
    limit = source.span(call)[0]
    scopes = (source.enclosing(call, *SCOPES), source.module)
    for target in source.all(cst.AssignTarget):
        if (
            isinstance(target.target, cst.Name)
            and target.target.value == name
            and source.enclosing(target, *SCOPES) in scopes
            and source.span(target)[0] < limit
        ):
            return True
    scope = scopes[0]
    return isinstance(scope, cst.FunctionDef) and any(
        p.name.value == name for p in scope.params.params
    )
