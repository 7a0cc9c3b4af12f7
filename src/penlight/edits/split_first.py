"""split-first: rows are held out before others are made from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source

INSTRUCTION = "Split first, and oversample the training part alone: a copy then cannot be held out."
WORDS = ("smote", "adasyn", "sampl", "balanc", "augment", "duplicat", "repeat")


@dataclass(frozen=True)
class SplitFirst(Edit):
    """Oversample or augment the training rows alone, behind train_test_split."""

    certain = True

    @property
    def says(self) -> str:
        return "Split the rows first, and make more of the training part alone"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = [
            changes
            for source in map(scene.source, scene.files)
            for call in source.calls("train_test_split")
            for changes in _turned(source, call)
        ]
        if len(found) != 1:
            many = "more than one place" if found else "no place"
            raise Refused(
                f"The source shows {many} where rows are made before a split.", INSTRUCTION
            )
        return found[0]


def _turned(source: Source, call: cst.Call) -> Iterator[list[Change]]:
    """What is made of `X, y = smote(X, y)` in front of a split of X and y."""
    split = source.statement(call)
    parts = _names(split.targets[0].target) if isinstance(split, cst.Assign) else []
    given = _arguments(call)
    more = _made(source, given, split) if len(parts) == 4 and len(given) == 2 else None
    maker = more.value if more is not None else None
    if more is None or not isinstance(maker, cst.Call):
        return
    own = _arguments(maker)
    if len(own) != 2 or not any(word in source.code(maker).lower() for word in WORDS):
        return
    begin, end = source.span(more)[1], source.span(split)[0]
    within = (n.value for n in source.all(cst.Name) if begin < source.span(n)[0] < end)
    if {*given, *own} & set(within):
        raise Refused("The rows are used between where they are made and the split.", INSTRUCTION)
    whole = dict(zip(given, own, strict=True))
    train = dict(zip(own, (parts[0], parts[2]), strict=True))
    made = f"{train[own[0]]}, {train[own[1]]} = {_renamed(source, maker, train)}"
    changes = [source.drop(more), source.after(split, made)]
    if given != own:
        changes.append(source.replace(call, _renamed(source, call, whole)))
    yield changes


def _arguments(call: cst.Call) -> list[str]:
    """The first two arguments, where they are names."""
    values = [a.value for a in call.args[:2] if a.keyword is None]
    return [v.value for v in values if isinstance(v, cst.Name)]


def _made(source: Source, names: list[str], split: cst.CSTNode) -> cst.Assign | None:
    """The last assignment of both names in front of a statement of the same block."""
    block, limit = source.enclosing(split, cst.IndentedBlock, cst.Module), source.span(split)[0]
    found = [
        s
        for s in source.all(cst.Assign)
        if _names(s.targets[0].target) == names
        and source.span(s)[1] < limit
        and source.enclosing(s, cst.IndentedBlock, cst.Module) is block
    ]
    return found[-1] if found else None


def _renamed(source: Source, call: cst.Call, names: dict[str, str]) -> str:
    """A call's text with other names in its arguments."""
    text, start = source.code(call), source.span(call)[0]
    values = (n for a in call.args for n in (a.value, *source.all(cst.Name, a.value)))
    found = {source.span(n): names[n.value] for n in values
             if isinstance(n, cst.Name) and n.value in names}  # fmt: skip
    for (begin, end), name in sorted(found.items(), reverse=True):
        text = text[: begin - start] + name + text[end - start :]
    return text


def _names(target: cst.BaseExpression) -> list[str]:
    """The names of a tuple of them."""
    items = target.elements if isinstance(target, cst.Tuple) else ()
    names = [e.value.value for e in items if isinstance(e.value, cst.Name)]
    return names if len(names) == len(items) else []
