"""Names in the user's files: how a library's member is written there, and names that are free."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.imports import imported
from penlight.edits.source import Change, Source, last_name


def sibling(source: Source, like: cst.BaseExpression, name: str) -> tuple[str, Sequence[Change]]:
    """Another member of the module that `like` is taken from, written in the same way.

    `nn.Sigmoid` gives `nn.ReLU`; `Sigmoid` gives `ReLU` and the change of its import.

    Raises:
        Refused: a bare name that no `from ... import` of the file brings in.
    """
    if isinstance(like, cst.Attribute):
        return f"{source.code(like.value)}.{name}", ()
    written = last_name(like)
    for item in source.all(cst.ImportFrom):
        if isinstance(item.names, cst.ImportStar):
            continue
        for alias in item.names:
            if (alias.evaluated_alias or last_name(alias.name)) != written:
                continue
            if any(last_name(a.name) == name and a.asname is None for a in item.names):
                return name, ()
            return name, (source.insert(source.span(alias.name)[1], f", {name}"),)
    if any(isinstance(item.names, cst.ImportStar) for item in source.all(cst.ImportFrom)):
        return name, ()
    raise Refused(f"Where {source.file} takes {written} from is not clear.")


def member(source: Source, module: str, name: str) -> tuple[str, Sequence[Change]]:
    """A member of a module as the file writes it, and the import where that is missing."""
    for item in source.all(cst.ImportFrom):
        if item.module is None or isinstance(item.names, cst.ImportStar):
            continue
        for alias in item.names:
            if source.code(item.module) == module and last_name(alias.name) == name:
                return alias.evaluated_alias or name, ()
    head, changes = imported(source, module)
    return f"{head}.{name}", changes


def is_optimizer(name: str) -> bool:
    """Whether a dotted name is one for an optimiser: "opt", "self.optimizer"."""
    return name.rpartition(".")[2].lower().startswith("opt")


def fresh(source: Source, *wanted: str) -> str:
    """The first of these names that the file does not use; else the last one with a number."""
    used = _used(source)
    for name in wanted:
        if name not in used:
            return name
    number = 2
    while f"{wanted[-1]}{number}" in used:
        number += 1
    return f"{wanted[-1]}{number}"


def pair(source: Source, *wanted: tuple[str, str]) -> tuple[str, str]:
    """The first of these pairs of names of which the file uses neither."""
    used = _used(source)
    for first, second in wanted:
        if not {first, second} & used:
            return first, second
    return fresh(source, wanted[-1][0]), fresh(source, wanted[-1][1])


def _used(source: Source) -> set[str]:
    """The names that a file uses: not those of attributes and keywords."""
    found = set()
    for node in source.all(cst.Name):
        parent = source.parent(node)
        attribute = isinstance(parent, cst.Attribute) and parent.attr is node
        keyword = isinstance(parent, cst.Arg) and parent.keyword is node
        if not attribute and not keyword:
            found.add(node.value)
    return found
