"""shift-once: targets that are shifted in two places are shifted in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source

BY_HAND = "Shift once: loss(logits[:, :-1], tokens[:, 1:]), or leave it to the model's own loss."
WHOLE = (":", "...")  # slices that leave everything


@dataclass(frozen=True)
class Shift:
    """A function, or a script, that cuts the last place off one thing and the first off another.

    Attributes:
        said: `logits[:, :-1]`, or the inputs.
        asked: `labels[:, 1:]`.
    """

    source: Source
    said: cst.Subscript
    asked: cst.Subscript

    @property
    def of_one_text(self) -> bool:
        """Whether inputs and targets are cut out of the same tokens, before any model."""
        return self.source.code(self.said.value) == self.source.code(self.asked.value)


@dataclass(frozen=True)
class ShiftOnce(Edit):
    """Take one of two shifts out: that at the model's outputs rather than that of the data."""

    certain = True

    @property
    def says(self) -> str:
        return "Shift the targets in one place alone"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = [s for file in scene.files for s in _shifts(scene.source(file))]
        found = [s for s in found if not s.of_one_text] or found
        if not found:
            raise Refused("Where the targets are shifted is not visible.", BY_HAND)
        shift = found[0]
        return [_without(shift.source, node) for node in (shift.said, shift.asked)]


def _shifts(source: Source) -> Iterator[Shift]:
    scopes = [*source.all(cst.FunctionDef), None]
    for scope in scopes:
        said, asked = [], []
        for node in source.all(cst.Subscript):
            if source.enclosing(node, cst.FunctionDef) is not scope or len(node.slice) < 2:
                continue
            parts = [source.code(s.slice).replace(" ", "") for s in node.slice]
            if any(p.endswith(":-1") for p in parts):
                said.append(node)
            elif "1:" in parts:
                asked.append(node)
        if len(said) == 1 and len(asked) == 1:
            yield Shift(source, said[0], asked[0])


def _without(source: Source, node: cst.Subscript) -> Change:
    """A slice without the cut, or nothing but what was sliced."""
    left = []
    for element in node.slice:
        part = source.code(element.slice)
        tight = part.replace(" ", "")
        if tight == "1:":
            part = ":"
        elif tight.endswith(":-1"):
            part = part[: part.rindex("-")]
        left.append(part)
    base = source.code(node.value)
    if all(part.strip() in WHOLE for part in left):
        return source.replace(node, base)
    return source.replace(node, f"{base}[{', '.join(left)}]")
