"""sum-features: a reconstruction error that is summed where the term beside it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.losses import loss_call
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument
from penlight.edits.values import set_argument

BY_HAND = "Sum the reconstruction error as the KL term is summed: reduction='sum'."


@dataclass(frozen=True)
class SumFeatures(Edit):
    """Sum the error over the features, and over the rows as well or averaged over them.

    Args:
        rows: "sum" where the other term is a sum over the batch, "mean" where it is a mean.
    """

    rows: str
    new_rate = True

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls("sum")
        yield cls("mean")

    @property
    def says(self) -> str:
        if self.rows == "sum":
            return "Sum the reconstruction error over features and samples"
        return "Sum the reconstruction error over the features"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = loss_call(scene)
        source, call, made_in, options = found.source, found.call, found.options_in, found.options
        line = source.lines(call)[0]
        before = argument(options, "reduction")
        if before is not None and made_in.code(before.value).strip("'\"") != "mean":
            raise Refused(f"{source.file}:{line} is no mean any more.", BY_HAND)
        if found.input is None or found.target is None:
            raise Refused(f"{source.file}:{line} does not name what it compares.", BY_HAND)
        changes = set_argument(scene, made_in, options, "reduction", '"sum"')
        if self.rows == "sum":
            return changes
        return (*changes, *_divided(source, call, f"len({source.code(found.target.value)})"))


def _divided(source: Source, call: cst.Call, by: str) -> list[Change]:
    """The changes that divide a call's value, wherever it stands."""
    start, end = source.span(call)
    parent = source.parent(call)
    sums = isinstance(parent, cst.BinaryOperation) and isinstance(
        parent.operator, (cst.Add, cst.Subtract)
    )
    if sums or not isinstance(parent, (cst.BinaryOperation, cst.UnaryOperation, cst.Attribute)):
        return [source.insert(end, f" / {by}")]
    return [source.insert(start, "("), source.insert(end, f" / {by})")]
