"""norm-momentum: how fast the running statistics of a batch norm follow its batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument
from penlight.edits.training import Training
from penlight.edits.values import set_argument

LAYERS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "LazyBatchNorm1d",
          "LazyBatchNorm2d", "LazyBatchNorm3d")  # fmt: skip
KERAS = ("BatchNormalization",)  # its momentum is 1 minus that of torch
USUAL = 0.1  # torch's own
SETTLED = 3  # time constants of the running statistics, as in the pitfall's limit


@dataclass(frozen=True)
class NormMomentum(Edit):
    """Let the running statistics follow at this momentum, in the words of torch."""

    momentum: float = USUAL

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls()
        if USUAL * scene.run.steps < 2 * SETTLED:  # a short run: they must hurry
            yield cls(0.3)

    @property
    def says(self) -> str:
        return f"Let batch norm's running statistics follow at a momentum of {self.momentum:g}"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes: list[Change] = []
        for file in scene.files:
            source = scene.source(file)
            for call in source.calls(*LAYERS):
                if argument(call, "momentum", 2) is None and self.momentum == USUAL:
                    continue
                text = f"{self.momentum:g}"
                changes += set_argument(scene, source, call, "momentum", text, 2)
            changes += self._set_later(source)
            for call in source.calls(*KERAS):
                changes += set_argument(
                    scene, source, call, "momentum", f"{1 - self.momentum:g}", 1
                )
        if not changes:
            raise Refused("The source shows no batch norm with a momentum of its own.")
        return list(dict.fromkeys(changes))

    def _set_later(self, source: Source) -> Iterator[Change]:
        """`layer.momentum = 0`, where the layers are torch's."""
        if any(source.calls(*KERAS)) or not any(source.calls(*LAYERS)):
            return
        for node in source.all(cst.Assign):
            target, value = node.targets[0].target, node.value
            number = isinstance(value, (cst.Integer, cst.Float))
            if isinstance(target, cst.Attribute) and target.attr.value == "momentum" and number:
                yield source.replace(value, f"{self.momentum:g}")

    def live(self, training: Training) -> None:
        from torch.nn.modules.batchnorm import _BatchNorm

        norms = [m for m in training.model.modules() if isinstance(m, _BatchNorm)]
        if not norms:
            raise Refused("The model has no batch norm.")
        for norm in norms:
            norm.momentum = self.momentum
