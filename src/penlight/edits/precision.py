"""precision: weights in float32, or 16 bits with the range of float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name

WHOLE, BRAIN = "float32", "bfloat16"
METHODS = {WHOLE: "float", BRAIN: "bfloat16"}
NARROW = {WHOLE: ("half", "float16", "bfloat16"), BRAIN: ("half", "float16")}


@dataclass(frozen=True)
class Precision(Edit):
    """Make in this type what the source makes in a narrower one.

    Args:
        dtype: "float32", which leaves autocast as it is: it computes in 16 bits and keeps the
            weights; or "bfloat16", in the place of float16.
    """

    dtype: str = WHOLE

    def __post_init__(self) -> None:
        if self.dtype not in METHODS:
            raise ValueError(f"{self.dtype} is neither of {' and '.join(METHODS)}.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls(BRAIN if finding.pitfall == "fp16-underflow" else WHOLE)

    @property
    def says(self) -> str:
        if self.dtype == WHOLE:
            return "Keep the weights in float32"
        return "Use bfloat16, which has the range of float32, instead of float16"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = [change for file in scene.files for change in self._changes(scene.source(file))]
        if not found:
            raise Refused(f"The source names no type narrower than {self.dtype}.")
        return found

    def _changes(self, source: Source) -> Iterator[Change]:
        narrow = NARROW[self.dtype]
        for node in source.all(cst.Attribute):
            name, parent = node.attr.value, source.parent(node)
            if name not in narrow:
                continue
            if isinstance(parent, cst.Call) and parent.func is node:
                if not parent.args:  # model.half()
                    yield source.replace(node.attr, METHODS[self.dtype])
            elif last_name(node.value) == "torch" and not self._autocast(source, node):
                yield source.replace(node.attr, self.dtype)

    def _autocast(self, source: Source, node: cst.CSTNode) -> bool:
        """Whether a type is autocast's own, where float32 would only switch it off."""
        call = source.enclosing(node, cst.Call)
        return (
            self.dtype == WHOLE
            and isinstance(call, cst.Call)
            and "autocast" in source.code(call.func)
        )
