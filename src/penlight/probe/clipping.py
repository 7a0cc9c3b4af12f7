"""Watches gradient clipping: how often it acts, and how much of the gradient it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from penlight.core.vocabulary import CLIP_FACTOR
from penlight.probe.guard import Patches
from penlight.probe.state import State, user_line
from penlight.signals.parameters import local


class Clipping:
    """Counts the calls of `clip_grad_norm_`, and at light looks measures what is left.

    Args:
        scaled: whether the gradients are still multiplied by a GradScaler's factor.
    """

    def __init__(self, state: State, patches: Patches, scaled: Callable[[], bool]) -> None:
        self.state = state
        self.scaled = scaled
        clip = torch.nn.utils.clip_grad_norm_
        clipped = state.ledger.guard("clipping", self._clipped)

        def watched(parameters: Any, max_norm: float, *args: Any, **kwargs: Any) -> Tensor:
            total = clip(parameters, max_norm, *args, **kwargs)
            if not torch.compiler.is_compiling():
                clipped(total, max_norm)
            return total

        patches.wrap(torch.nn.utils, "clip_grad_norm_", watched)
        patches.wrap(torch.nn.utils.clip_grad, "clip_grad_norm_", watched)

    def _clipped(self, total: Any, limit: Any) -> None:
        state = self.state
        state.count("clip_calls")
        if isinstance(total, Tensor) and not total.is_meta:
            norm = local(total)
            if norm.device.type == "cpu":
                state.count("clipped", int(float(norm) > float(limit)))
            if state.light and not self.scaled():
                left = (float(limit) / (norm + 1e-6)).clamp(max=1.0)  # torch's own formula
                state.readout.add(CLIP_FACTOR, user_line(), state.step, left)
        if self.scaled():
            state.count("clip_scaled")
