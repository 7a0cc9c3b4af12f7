"""restore-state: what a checkpoint holds besides the weights is loaded with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name

BY_HAND = 'Load it where the weights are: optimizer.load_state_dict(checkpoint["optimizer"]).'


@dataclass(frozen=True)
class RestoreState(Edit):
    """Load the states of the optimiser and the scheduler where the weights are loaded."""

    certain = True

    @property
    def says(self) -> str:
        return "Load the optimiser's and the scheduler's state with the weights"

    def source(self, scene: Scene) -> Sequence[Change]:
        sources = [scene.source(file) for file in scene.files]
        saved = dict(pair for source in sources for pair in _saved(source))
        changes = [c for source in sources for c in _restored(source, saved)]
        if not changes:
            raise Refused("Where the weights of a checkpoint are loaded is not visible.", BY_HAND)
        return changes


def _saved(source: Source) -> Iterator[tuple[str, str]]:
    """The entries of the files that the script writes: a key, and whose state it holds."""
    for call in source.calls("state_dict"):
        entry = source.parent(call)
        if isinstance(entry, cst.DictElement) and isinstance(call.func, cst.Attribute):
            yield source.code(entry.key)[1:-1], dotted(call.func.value)


def _restored(source: Source, saved: dict[str, str]) -> Iterator[Change]:
    """For each place that loads some entries: the calls that load the others."""
    for call in source.calls("load_state_dict"):
        given = call.args[0].value if call.args else None
        if not isinstance(given, cst.Subscript) or not isinstance(given.value, cst.Name):
            continue
        scope, file = source.enclosing(call, cst.FunctionDef, cst.Module), given.value.value
        used = {
            _key(source, node)
            for node in source.all(cst.Subscript, scope)
            if isinstance(node.value, cst.Name) and node.value.value == file
        }
        if _key(source, given) not in saved:
            continue
        names = set(_names(source, call))
        missing = [(k, v) for k, v in saved.items() if k not in used and v in names]
        code = "\n".join(f'{v}.load_state_dict({file}["{k}"])' for k, v in missing)
        if code and _last(source, call, file):
            yield source.after(source.statement(call), code)


def _key(source: Source, entry: cst.Subscript) -> str:
    """The key of an entry: `optimizer` of `checkpoint["optimizer"]`."""
    return source.code(entry.slice[0].slice)[1:-1]


def _last(source: Source, call: cst.Call, file: str) -> bool:
    """Whether it is the last statement of its function that loads something from this file."""
    scope = source.enclosing(call, cst.FunctionDef, cst.Module)
    loads = [
        c
        for c in source.calls("load_state_dict", within=scope)
        if c.args and source.code(c.args[0].value).startswith(f"{file}[")
    ]
    return loads[-1] is call


def _names(source: Source, call: cst.Call) -> Iterator[str]:
    """What has a name where a call stands: parameters, and what was assigned before it."""
    start, scope = source.span(call)[0], source.enclosing(call, cst.FunctionDef, cst.Module)
    if isinstance(scope, cst.FunctionDef):
        yield from (p.name.value for p in scope.params.params)
    for target in source.all(cst.AssignTarget):
        where = source.enclosing(target, cst.FunctionDef, cst.Module)
        if source.span(target)[0] > start or not (where is scope or isinstance(where, cst.Module)):
            continue
        inner = target.target
        parts = [e.value for e in inner.elements] if isinstance(inner, cst.Tuple) else [inner]
        yield from (dotted(p) for p in parts if last_name(p))
