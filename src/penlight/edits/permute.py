"""permute: dimensions that change places with their values, and not by cutting memory anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.bindings import bindings
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name
from penlight.edits.training import Training

METHODS = ("view", "reshape")
STATES = {"RNN": 1, "GRU": 1, "LSTM": 2}  # where the state stands: out, h or out, (h, c)
INSTRUCTION = "Use x.permute(...) or x.transpose(...) where dimensions are to change places."


@dataclass(frozen=True)
class Permute(Edit):
    """Replace the view or reshape that was meant to swap dimensions by a permute."""

    certain = True
    new_rate = True

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        recut = any(m.recut_from for m in scene.run.modules)
        if recut or any(_states(scene, scene.source(file)) for file in scene.files):
            yield cls()

    @property
    def says(self) -> str:
        return "Swap the dimensions with permute, which takes the values along"

    def source(self, scene: Scene) -> Sequence[Change]:
        fed = [m for m in scene.run.modules if m.recut_from]
        if not fed:
            states = [
                change for file in scene.files for change in _states(scene, scene.source(file))
            ]
            if not states:
                raise Refused("No layer is fed memory that was cut anew.", INSTRUCTION)
            return states
        before, after = fed[0].recut_from, fed[0].input_shape
        calls = [c for file in scene.files for c in _recuts(scene.source(file), len(after))]
        named = [(source, call, order) for source, call, order in calls if order]
        if named:
            return [_permuted(source, call, order) for source, call, order in named]
        alike = {tuple(source.code(a) for a in call.args) for source, call, _ in calls}
        owners = {id(source.enclosing(call, cst.FunctionDef)) for source, call, _ in calls}
        if len(alike) != 1 or len(owners) != 1 or len(set(before)) != len(before):
            raise Refused(
                "Which view or reshape swaps the dimensions cannot be told from the text.",
                INSTRUCTION,
            )
        recut = len(before) != len(after)
        order = tuple(before.index(n) for n in after if n > 1 or not recut)
        return [_permuted(source, call, order, recut) for source, call, _ in calls]

    def live(self, training: Training) -> None:  # noqa: ARG002
        raise Refused("What forward() does can only be changed in its text.", INSTRUCTION)


def _recuts(source: Source, rank: int) -> Iterator[tuple[Source, cst.Call, tuple[int, ...]]]:
    """Calls of view or reshape to that many dimensions, and the order of `x`'s that they name.

    () where the sizes are not said in terms of `x` itself: `x.view(8, -1, 3)`.
    """
    calls = [
        call
        for call in source.calls(*METHODS)
        if isinstance(call.func, cst.Attribute) and len(call.args) == rank
    ]
    inner = [call for call in calls if source.enclosing(call, cst.FunctionDef) is not None]
    for call in inner or calls:
        assert isinstance(call.func, cst.Attribute)
        sizes = [a.value for a in call.args]
        order = tuple(_dimension(size, dotted(call.func.value)) for size in sizes)
        if sorted(order) != list(range(rank)):
            order = ()
        elif order == tuple(range(rank)):
            continue
        yield source, call, order


def _dimension(size: cst.BaseExpression, name: str) -> int:
    """Which dimension of a tensor of that name an expression is the size of; -1: none."""
    if isinstance(size, cst.Call) and dotted(size.func) == f"{name}.size" and len(size.args) == 1:
        return _number(size.args[0].value)
    if isinstance(size, cst.Subscript) and dotted(size.value) == f"{name}.shape":
        index = size.slice[0].slice
        return _number(index.value) if isinstance(index, cst.Index) else -1
    return -1


def _number(node: cst.BaseExpression) -> int:
    return int(node.value) if isinstance(node, cst.Integer) else -1


def _permuted(source: Source, call: cst.Call, order: Sequence[int], recut: bool = False) -> Change:
    """The change of a view to a permute; `recut`: with the view's own sizes behind it."""
    assert isinstance(call.func, cst.Attribute)
    inner = source.code(call.func.value)
    sizes = f".reshape({_sizes(source, call)})" if recut else ""
    return source.replace(call, f"{inner}.permute({', '.join(map(str, order))}){sizes}")


def _states(scene: Scene, source: Source) -> list[Change]:
    """The changes of `state.view(batch, -1)`: (layers, batch, units) begins with the layers."""
    changes = []
    for call in source.calls(*METHODS):
        if not isinstance(call.func, cst.Attribute) or len(call.args) != 2:
            continue
        state = call.func.value
        if isinstance(state, cst.Call) and isinstance(state.func, cst.Attribute):
            state = state.func.value if state.func.attr.value == "contiguous" else state
        if _is_state(scene, source, state):
            text = f"{source.code(state)}.transpose(0, 1).reshape({_sizes(source, call)})"
            changes.append(source.replace(call, text))
    return changes


def _is_state(scene: Scene, source: Source, node: cst.BaseExpression) -> bool:
    """Whether an expression is the whole state of a recurrent layer with more than one part."""
    part: tuple[int, ...] = ()
    if isinstance(node, cst.Subscript):
        index = node.slice[0].slice
        part, node = (_number(index.value) if isinstance(index, cst.Index) else -1,), node.value
    function = source.enclosing(node, cst.FunctionDef)
    if not isinstance(node, cst.Name) or function is None:
        return False
    start = source.span(node)[0]
    above = [b for b in bindings(source, node.value, function) if source.span(b.node)[1] <= start]
    if not above or not isinstance(above[-1].value, cst.Call):
        return False
    path, name = (*above[-1].part, *part), last_name(above[-1].value.func)
    for module in scene.run.modules:
        if module.type in STATES and module.name.rpartition(".")[2] == name:
            several = module.settings.get("num_layers") != 1 or module.settings.get("bidirectional")
            return bool(several) and path[:1] == (1,) and len(path) == STATES[module.type]
    return False


def _sizes(source: Source, call: cst.Call) -> str:
    return ", ".join(source.code(a.value) for a in call.args)
