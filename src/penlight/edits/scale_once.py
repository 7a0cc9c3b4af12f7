"""scale-once: inputs that are divided twice by the same number are divided once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import unwrap
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source

LEAST = 16.0  # divisors that scale: 255 for pixels; below are halves and averages
TINY = 0.02  # typical size of inputs that were scaled twice, as in the pitfall input-scale


@dataclass(frozen=True)
class ScaleOnce(Edit):
    """Take the second of two divisions of the inputs out."""

    new_rate = True

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        if any(e.value is not None and e.value < TINY for e in finding.evidence):
            yield cls()

    @property
    def says(self) -> str:
        return "Divide the inputs once: take the second division out"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = [place for file in scene.files for place in _divisions(scene.source(file))]
        for source, node, value in found:
            twice = [other for _, other, divisor in found if divisor == value]
            if len(twice) == 2 and _inside(source, node):
                return (unwrap(source, node, node.left),)
        raise Refused(
            "No second division by the same number is visible in forward().",
            "Look for two places that scale the inputs, and take one of them out.",
        )


def _divisions(source: Source) -> Iterator[tuple[Source, cst.BinaryOperation, float]]:
    for node in source.all(cst.BinaryOperation):
        if isinstance(node.operator, cst.Divide) and isinstance(
            node.right, (cst.Integer, cst.Float)
        ):
            value = float(node.right.value.replace("_", ""))
            if value >= LEAST:
                yield source, node, value


def _inside(source: Source, node: cst.BinaryOperation) -> bool:
    """Whether it scales what comes into a model."""
    function = source.enclosing(node, cst.FunctionDef)
    if not isinstance(function, cst.FunctionDef) or function.name.value != "forward":
        return False
    given = {p.name.value for p in function.params.params} - {"self"}
    return isinstance(node.left, cst.Name) and node.left.value in given
