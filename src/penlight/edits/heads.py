"""The end of the model in the user's files: its last layer, and the activation behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from penlight.core.run import Run
from penlight.edits.edit import Refused
from penlight.edits.flow import calls_in, drop_entry, entry, last_value, siblings, unwrap, uses
from penlight.edits.losses import LossCall, loss_call, twins
from penlight.edits.models import weighted
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, dotted, last_name
from penlight.pitfalls._graph import SHAPE, Wiring, wirings

KINDS = {
    "softmax": "Softmax",
    "logsoftmax": "LogSoftmax",
    "sigmoid": "Sigmoid",
    "logsigmoid": "LogSigmoid",
    "tanh": "Tanh",
    "relu": "ReLU",
    "leakyrelu": "LeakyReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "softplus": "Softplus",
    "exp": "exp",
}
KERAS = ("Dense", "Conv1D", "Conv2D", "Activation")
PASSED = ("NativeDropout", "Clamp", "ClampMin", "ClampMax", *SHAPE)
WORDS = {"safesoftmax": "softmax", "expit": "sigmoid"}


@dataclass(frozen=True)
class Applied:
    """An activation where the text applies it.

    Args:
        node: the whole call, `torch.relu(x)`, or the layer in a list, `nn.ReLU()`.
        inner: what it is applied to; None for a layer in a list.
        maker: the call that builds its module, None for a function.
        word: whether `node` is its name, given to the Keras layer that `maker` builds.
    """

    source: Source
    kind: str
    node: cst.BaseExpression
    inner: cst.BaseExpression | None
    maker: cst.Call | None = None
    word: bool = False


def kind_of(name: str) -> str:
    """`LeakyReLU`, `leaky_relu` and the graph's `LeakyRelu` are one kind; '' for no activation."""
    plain = name.lower().replace("_", "")
    plain = WORDS.get(plain, plain)
    return plain if plain in KINDS else ""


def head_op(run: Run) -> tuple[str, str]:
    """Kind of the activation between the last layer and the loss, and the module that applies it.

    Both are '' where there is none or where it is not known.
    """
    objective = run.objective
    own = 0 if objective is None or objective.by_hand else 1
    for wiring in wirings(run):
        made = wiring.made_by(objective.function) if objective is not None else []
        for i in made:
            node: int | None = i
            while node is not None and not kind_of(wiring.names[node]) and own:
                node = wiring.below(node) if wiring.names[node] in PASSED else None
            if node is not None and kind_of(wiring.names[node]):
                return kind_of(wiring.names[node]), wiring.ops[node].module
        if any(wiring.is_layer(i) for i in made):
            return "", ""
        for i in sorted(wiring.head):
            if kind_of(wiring.names[i]) and _on_layer(wiring, i):
                return kind_of(wiring.names[i]), wiring.ops[i].module
    return (kind_of(objective.input_op), "") if objective is not None else ("", "")


def _on_layer(wiring: Wiring, i: int) -> bool:
    below = wiring.below(i)
    return below is not None and wiring.is_layer(below)


def ending(scene: Scene) -> Applied:
    """The activation that makes the model's output, where the text applies it.

    Raises:
        Refused: there is none, or which one it is cannot be told.
    """
    kind, module = head_op(scene.run)
    if not kind:
        raise Refused("No activation stands between the last layer and the loss.")
    found = [a for file in scene.files for a in applications(scene.source(file), kind)]
    found = _made_at(scene, found, module)
    if not found:
        found = [a for file in scene.files for a in _word(scene.source(file), kind)]
    for wanted in (
        _given_to_the_loss,
        _follows_last_layer,
        _in_model_or_objective,
        _last_of_its_kind,
    ):
        if len(found) > 1:
            found = wanted(scene, found) or found
    if len(found) != 1:
        count = "no" if not found else "more than one"
        raise Refused(
            f"The source shows {count} {KINDS[kind]} that could be the one behind the last layer.",
            f"Find where the model's output passes through {KINDS[kind]}, behind the last layer.",
        )
    return found[0]


def _made_at(scene: Scene, found: list[Applied], module: str) -> list[Applied]:
    """Those whose module was built where the run says."""
    seen = scene.run.module(module) if module else None
    if seen is None or not seen.source:
        return found
    try:
        source, line = scene.place(seen.source)
    except Refused:
        return found
    near = [
        a
        for a in found
        if a.maker is not None
        and a.source.file == source.file
        and a.source.lines(a.maker)[0] <= line <= a.source.lines(a.maker)[1]
    ]
    return near or found


def _given_to_the_loss(scene: Scene, found: list[Applied]) -> list[Applied]:
    try:
        value = _input_of(loss_call(scene))
    except Refused:
        return []
    return [a for a in found if a.node is value]


def _input_of(loss: LossCall, read_once: bool = False) -> cst.BaseExpression | None:
    """What a call of a loss is given for the output: itself, or what its name was last set to.

    Args:
        read_once: follow a name only where nothing but the loss reads it.
    """
    value = loss.input.value if loss.input is not None else None
    if not isinstance(value, cst.Name) or (read_once and uses(loss.source, value)):
        return value
    return last_value(loss.source, value)


def _follows_last_layer(scene: Scene, found: list[Applied]) -> list[Applied]:
    name = last_layer(scene.run)
    parts = [p for p in name.split(".") if not p.isdigit()]
    leaf = parts[-1] if parts else name
    return [
        a
        for a in found
        if a.inner is not None
        and leaf
        and any(last_name(_called(c)) == leaf for c in calls_in(a.source, a.inner))
    ]


def _called(call: cst.Call) -> cst.BaseExpression:
    """The layer of a call: `self.layers` of `self.layers[-1](x)`."""
    return call.func.value if isinstance(call.func, cst.Subscript) else call.func


def _in_model_or_objective(scene: Scene, found: list[Applied]) -> list[Applied]:
    """Those in a model's class or list of layers; else those in the loss's own function."""
    inner = [
        a for a in found if a.inner is None or a.source.enclosing(a.node, cst.ClassDef) is not None
    ]
    if inner:
        return inner
    objective = scene.run.objective
    try:
        source, line = scene.place(objective.source if objective else "")
    except Refused:
        return []
    near = []
    for a in found:
        function = a.source.enclosing(a.node, cst.FunctionDef, cst.For, cst.Module)
        if a.source is source and function is not None:
            first, last = source.lines(function)
            if isinstance(function, cst.Module) or first <= line <= last:
                near.append(a)
    return near


def _last_of_its_kind(scene: Scene, found: list[Applied]) -> list[Applied]:  # noqa: ARG001
    """The last entry of a list of layers; else what a forward returns."""
    ends = [
        a
        for a in found
        if a.inner is None
        and (item := entry(a.source, a.node)) is not None
        and siblings(a.source, item)[-1] is item
    ]
    if ends:
        return ends
    return [a for a in found if isinstance(a.source.statement(a.node), cst.Return)]


def last_layer(run: Run) -> str:
    """Name of the layer nearest to the loss; '' when it is not known."""
    for wiring in wirings(run):
        for i in wiring.layers:
            return wiring.place(i)
    return (weighted(run) or [""])[-1]


def applications(source: Source, kind: str) -> Iterator[Applied]:
    """Where a file applies an activation, in the order of the text."""
    roots = _imported(source)
    for call in source.all(cst.Call):
        name = last_name(call.func)
        if kind_of(name) != kind:
            continue
        if name[:1].isupper():
            yield from _module(source, kind, call)
        elif isinstance(call.func, cst.Attribute):
            root = dotted(call.func.value).partition(".")[0]
            if root in roots:
                if call.args:
                    yield Applied(source, kind, call, call.args[0].value)
            elif source.code(call.func.value) != "self":
                yield Applied(source, kind, call, call.func.value)
        elif name in roots and call.args:
            yield Applied(source, kind, call, call.args[0].value)


def _word(source: Source, kind: str) -> Iterator[Applied]:
    """The activation that the last layer of a Keras model is given by name."""
    layers = list(source.calls(*KERAS))
    if layers:
        position = 0 if last_name(layers[-1].func) == "Activation" else 1
        arg = argument(layers[-1], "activation", position)
        if arg is not None and isinstance(arg.value, cst.SimpleString):
            word = str(arg.value.evaluated_value)
            if kind_of(word) == kind:
                yield Applied(source, kind, arg.value, None, layers[-1], word=True)


def _module(source: Source, kind: str, maker: cst.Call) -> Iterator[Applied]:
    """Where a module is applied: at once, in a list of layers, or by the name it is given."""
    parent = source.parent(maker)
    if isinstance(parent, cst.Call) and parent.func is maker and parent.args:
        yield Applied(source, kind, parent, parent.args[0].value, maker)
    elif entry(source, maker) is not None or _appended(source, maker):
        yield Applied(source, kind, maker, None, maker)
    elif isinstance(parent, cst.Assign):
        for use in uses(source, parent.targets[0].target):
            call = source.parent(use)
            if isinstance(call, cst.Call) and call.func is use and call.args:
                yield Applied(source, kind, call, call.args[0].value, maker)
            elif entry(source, use) is not None:
                yield Applied(source, kind, use, None, maker)


def _appended(source: Source, maker: cst.Call) -> bool:
    """Whether a module is added to a list or container by a statement of its own."""
    arg = source.parent(maker)
    call = source.parent(arg) if isinstance(arg, cst.Arg) else None
    return (
        isinstance(call, cst.Call)
        and last_name(call.func) in ("append", "add_module", "add")
        and isinstance(source.parent(call), cst.Expr)
    )


def _imported(source: Source) -> set[str]:
    """The names that a file's imports bind."""
    names = set()
    for node in source.nodes:
        if isinstance(node, (cst.Import, cst.ImportFrom)):
            if isinstance(node.names, cst.ImportStar):
                names |= {"torch", "nn", "F", *KINDS}
                continue
            for alias in node.names:
                short = alias.evaluated_alias or alias.evaluated_name
                names.add(short.partition(".")[0])
    return names


def bare(scene: Scene) -> list[Change]:
    """The changes that take the activation before the loss away, in the evaluations as well.

    Raises:
        Refused: there is none, or which one it is cannot be told.
    """
    found = ending(scene)
    changes = removed(found)
    try:
        loss = loss_call(scene)
    except Refused:
        return changes
    if _input_of(loss) is not found.node:
        return changes
    for other in twins(scene, loss):
        value = _input_of(other, read_once=True)
        for also in applications(other.source, found.kind):
            if also.node is value and value is not found.node:
                changes += removed(also)
    return changes


def removed(found: Applied) -> list[Change]:
    """The changes that take an activation away, and its module where nothing else uses it."""
    source, node = found.source, found.node
    if found.word:
        return [source.replace(node, '"linear"')]
    if found.inner is None:
        item = entry(source, node)
        changes = [source.drop(node) if item is None else drop_entry(source, item)]
    else:
        changes = [unwrap(source, node, found.inner)]
    return changes + orphaned(found)


def orphaned(found: Applied) -> list[Change]:
    """The change that takes out `self.act = nn.ReLU()` when its only use goes."""
    source = found.source
    parent = source.parent(found.maker) if found.maker is not None else None
    if isinstance(parent, cst.Assign) and len(uses(source, parent.targets[0].target)) == 1:
        return [source.drop(parent)]
    return []


# -- the last layer ------------------------------------------------------------------------------


@dataclass(frozen=True)
class LastLayer:
    """The model's last layer in the text: the call that builds it and where it is applied.

    Args:
        maker: `nn.Linear(64, 10)`.
        node: what yields the output: the layer in a list, or the call `self.out(x)`.
        listed: whether it is a layer in a list.
    """

    source: Source
    maker: cst.Call
    node: cst.BaseExpression
    listed: bool


def last_layer_at(scene: Scene) -> LastLayer:
    """The last layer where the text builds and applies it.

    Raises:
        Refused: it is built by a package, or applied in several places.
    """
    name = last_layer(scene.run)
    seen = scene.run.module(name)
    if seen is None:
        raise Refused("Which layer is the last one is not known.")
    source, makers = scene.calls_at(seen.source, seen.type)
    maker = makers[-1]
    item = entry(source, maker)
    if item is not None or _appended(source, maker):
        return LastLayer(source, maker, maker, listed=True)
    parent = source.parent(maker)
    if isinstance(parent, cst.Assign):
        calls = []
        for use in uses(source, parent.targets[0].target):
            call = source.parent(use)
            if isinstance(call, cst.Call) and call.func is use:
                calls.append(call)
            elif entry(source, use) is not None:
                return LastLayer(source, maker, use, listed=True)
        if len(calls) == 1:
            return LastLayer(source, maker, calls[0], listed=False)
    raise Refused(
        f"Where the last layer, {name}, is applied cannot be told from the text.",
        f"Look for {name} in {source.file}.",
    )


def from_model(scene: Scene, source: Source, value: cst.BaseExpression) -> bool:
    """Whether a model had a part in making an expression."""
    roots = {m.root for m in scene.run.modules} | {"model", "net"}
    return any(last_name(c.func) in roots for c in calls_in(source, value))


def thresholds(scene: Scene) -> Iterator[Change]:
    """Where the script takes the model's output for a probability: above 0.5 is above 0 now.

    Raises:
        Refused: it rounds it.
    """
    for file in scene.files:
        source = scene.source(file)
        for call in source.calls("round"):
            if any(isinstance(a.value, cst.Integer) for a in call.args):
                continue  # digits of a number that is printed
            if from_model(scene, source, call):
                raise Refused(
                    f"{file}:{source.lines(call)[0]} rounds the model's output, which would no "
                    "longer be a probability.",
                    "Compare the raw output with 0 there instead.",
                )
        for test in source.all(cst.Comparison):
            right = test.comparisons[0].comparator
            half = isinstance(right, cst.Float) and float(right.value) == 0.5
            if half and from_model(scene, source, test.left):
                yield source.replace(right, "0.0")
