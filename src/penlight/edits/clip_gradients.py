"""clip-gradients: a limit on the length of a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.compiled import optimizer_by_name
from penlight.edits.edit import Edit, Refused
from penlight.edits.models import parameters
from penlight.edits.names import member
from penlight.edits.scene import Loop, Scene
from penlight.edits.source import Change, argument, last_name
from penlight.edits.training import Training
from penlight.edits.values import set_argument


@dataclass(frozen=True)
class ClipGradients(Edit):
    """Shorten a gradient that is longer than `norm` before each step."""

    norm: float = 1.0

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls(1.0)
        yield cls(0.1)

    @property
    def says(self) -> str:
        return f"Clip the gradient's norm at {self.norm:g}"

    def source(self, scene: Scene) -> Sequence[Change]:
        try:
            loop = scene.loop
        except Refused:
            return self._keras(scene)
        source = loop.source
        for call in source.calls("clip_grad_norm_", within=loop.body):
            return set_argument(scene, source, call, "max_norm", f"{self.norm}", position=1)
        name, imports = member(source, "torch.nn.utils", "clip_grad_norm_")
        tensors = parameters(scene, source, loop.step, loop.optimizer)
        code = f"{name}({tensors}, {self.norm})"
        scaler = _scaler(loop)
        if scaler and not any(source.calls("unscale_", within=loop.body)):
            code = f"{scaler}.unscale_({loop.optimizer})\n{code}"
        return [*imports, source.before(loop.step, code)]

    def _keras(self, scene: Scene) -> Sequence[Change]:
        named = optimizer_by_name(scene, f"clipnorm={self.norm}")
        if named is not None:
            return named
        source, call, _ = scene.optimizer()
        if not any(source.calls("compile")):
            raise Refused("No training loop is written out.", "Clip before each optimiser step.")
        return set_argument(scene, source, call, "clipnorm", f"{self.norm}")

    def live(self, training: Training) -> None:
        from torch.nn.utils import clip_grad_norm_

        training.before_step.append(lambda t: clip_grad_norm_(t.model.parameters(), self.norm))


def _scaler(loop: Loop) -> str:
    """The GradScaler's name where the step goes through one; '' otherwise."""
    func = loop.step.func
    if not isinstance(func, cst.Attribute) or "scaler" not in last_name(func.value).lower():
        return ""
    given = argument(loop.step, "optimizer", 0)
    return loop.source.code(func.value) if given is not None else ""
