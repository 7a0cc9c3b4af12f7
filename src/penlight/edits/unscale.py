"""unscale: gradients are unscaled before they are clipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene, side_of
from penlight.edits.source import Change

CLIPS = ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm", "clip_gradients")


@dataclass(frozen=True)
class Unscale(Edit):
    """Call scaler.unscale_(optimizer) right before the gradients are clipped."""

    certain = True
    new_rate = True  # the clipped step was smaller by the scaler's factor

    @property
    def says(self) -> str:
        return "Unscale the gradients before they are clipped"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = scene.loop
        source = loop.source
        block = side_of(source, loop.step) or loop.body
        clips = list(source.calls(*CLIPS, within=block))
        func = loop.step.func
        assert isinstance(func, cst.Attribute)
        scaler = source.code(func.value)
        if len(clips) != 1 or not loop.step.args:
            raise Refused(
                "The training loop shows no single clipping before a step of a GradScaler.",
                "Call scaler.unscale_(optimizer) right before the clipping.",
            )
        if list(source.calls("unscale_", within=block)):
            raise Refused(f"{source.file} calls unscale_() already.")
        return [source.before(clips[0], f"{scaler}.unscale_({loop.optimizer})")]
