"""shuffle-first: rows are shuffled before some of them are held out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import drop_entry
from penlight.edits.imports import imported
from penlight.edits.models import SCOPES
from penlight.edits.names import fresh
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument
from penlight.edits.training import Training

INSTRUCTION = (
    "Before the split: order = torch.randperm(len(x)); x, y = x[order], y[order]. The last rows "
    "of data that are sorted by label are all of one class."
)


@dataclass(frozen=True)
class ShuffleFirst(Edit):
    """Put the rows in another order, inputs and labels alike, before they are cut in two parts."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Shuffle the rows before some of them are held out"

    def source(self, scene: Scene) -> Sequence[Change]:
        sources = [scene.source(file) for file in scene.files]
        found = [cut for source in sources for cut in (*_cuts(source), *_fits(source))]
        if len(found) == 1:
            return _shuffled(*found[0])
        kept = [c for source in sources for c in _in_order(source)]
        if kept and not found:
            return kept
        many = "more than one place" if found else "no place"
        raise Refused(f"The source shows {many} where inputs and labels are split.", INSTRUCTION)

    def live(self, training: Training) -> None:  # noqa: ARG002
        raise Refused("The rows have been split already.", INSTRUCTION)


Cut = tuple[Source, cst.CSTNode, list[str]]


def _cuts(source: Source) -> Iterator[Cut]:
    """Where two arrays or more are cut at one place: x[:n], x[n:] and y[:n], y[n:]."""
    parts: dict[tuple[int, str], dict[str, dict[bool, cst.Subscript]]] = defaultdict(dict)
    for node in source.all(cst.Subscript):
        cut = node.slice[0].slice if len(node.slice) == 1 else None
        if not isinstance(node.value, cst.Name) or not isinstance(cut, cst.Slice) or cut.step:
            continue
        if (cut.lower is None) == (cut.upper is None):
            continue
        at = source.code(cut.upper or cut.lower)  # type: ignore[arg-type]  # one of them is there
        scope = id(source.enclosing(node, *SCOPES) or source.module)
        parts[scope, at].setdefault(node.value.value, {}).setdefault(cut.lower is None, node)
    for arrays in parts.values():
        both = {name: halves for name, halves in arrays.items() if len(halves) == 2}
        if len(both) > 1:
            nodes = [node for halves in both.values() for node in halves.values()]
            first = min(nodes, key=lambda node: source.span(node)[0])
            yield source, first, list(both)


def _fits(source: Source) -> Iterator[Cut]:
    """Calls of Keras' fit() that hold the last rows out."""
    for call in source.calls("fit"):
        x, y = argument(call, "x", 0), argument(call, "y", 1)
        if x is None or y is None or argument(call, "validation_split") is None:
            continue
        if isinstance(call.func, cst.Attribute) and any(source.calls("compile")):
            names = [a.value.value for a in (x, y) if isinstance(a.value, cst.Name)]
            if len(names) == 2:
                yield source, call, names


def _in_order(source: Source) -> Iterator[Change]:
    """train_test_split(..., shuffle=False)."""
    for call in source.calls("train_test_split"):
        given = argument(call, "shuffle")
        if given is not None and source.code(given.value) == "False":
            yield drop_entry(source, given)


def _shuffled(source: Source, at: cst.CSTNode, names: Sequence[str]) -> Sequence[Change]:
    """The changes that put all arrays in one order; numpy's serves tensors, too."""
    order = fresh(source, "order", "shuffled")
    owner, imports = imported(source, "numpy")
    drawn = "random.permutation"
    if imports:  # the file does without it
        owner, imports = imported(source, "torch")
        drawn = "randperm"
    rows = ", ".join(f"{name}[{order}]" for name in names)
    code = f"{order} = {owner}.{drawn}(len({names[0]}))\n{', '.join(names)} = {rows}"
    return [*imports, source.before(source.statement(at), code)]
