"""sort-files: files in the order of their names, not in that of the disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name
from penlight.edits.training import Training

LISTINGS = ("glob", "iglob", "rglob", "listdir", "iterdir")
ORDERLESS = ("len", "set", "any", "sum")
INSTRUCTION = "Sort both lists of files by the names that they share: sorted(glob(...))."


@dataclass(frozen=True)
class SortFiles(Edit):
    """Sort what lists a folder, so that inputs and labels are listed alike."""

    new_rate = True

    @property
    def says(self) -> str:
        return "List files in the order of their names"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes = [c for file in scene.files for c in _sorted(scene.source(file))]
        if not changes:
            raise Refused("The source lists no folder in the order of the disk.", INSTRUCTION)
        return changes

    def live(self, training: Training) -> None:  # noqa: ARG002
        raise Refused("The files are listed already.", INSTRUCTION)


def _sorted(source: Source) -> Iterator[Change]:
    for call in source.calls(*LISTINGS):
        if _in_order(source, call):
            continue
        around = _around(source, call)
        if around is not None and last_name(around.func) in ORDERLESS:
            continue
        if around is not None and last_name(around.func) == "list" and len(around.args) == 1:
            yield source.replace(around.func, "sorted")
        else:
            start, end = source.span(call)
            yield source.insert(start, "sorted(")
            yield source.insert(end, ")")


def _in_order(source: Source, call: cst.Call) -> bool:
    """Whether a listing is sorted where it stands or by `files.sort()` below."""
    if any(isinstance(p, cst.Call) and last_name(p.func) == "sorted" for p in source.parents(call)):
        return True
    assign = source.enclosing(call, cst.Assign)
    if not isinstance(assign, cst.Assign):
        return False
    name = source.code(assign.targets[0].target)
    return any(
        isinstance(sort.func, cst.Attribute) and source.code(sort.func.value) == name
        for sort in source.calls("sort")
    )


def _around(source: Source, call: cst.Call) -> cst.Call | None:
    """The call that an expression is an argument of."""
    arg = source.parent(call)
    outer = source.parent(arg) if isinstance(arg, cst.Arg) else None
    return outer if isinstance(outer, cst.Call) else None
