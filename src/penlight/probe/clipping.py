"""Watches gradient clipping: how often it acts, and how much of the gradient it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from penlight.core.vocabulary import CLIP_FACTOR
from penlight.probe.guard import Patches
from penlight.probe.state import State, user_line
from penlight.signals import tensors as measure
from penlight.signals.parameters import local


class Clipping:
    """Counts the calls of `clip_grad_norm_`, and at light looks measures what is left; of
    `clip_grad_value_` the latter only.

    Args:
        scaled: whether the gradients are still multiplied by a GradScaler's factor.
        fresh: whether there was a backward pass since the last step.
    """

    def __init__(
        self,
        state: State,
        patches: Patches,
        scaled: Callable[[], bool],
        fresh: Callable[[], bool],
    ) -> None:
        self.state = state
        self.scaled = scaled
        self.fresh = fresh
        clip = torch.nn.utils.clip_grad_norm_
        clipped = state.ledger.guard("clipping", self._clipped)

        def watched(parameters: Any, max_norm: float, *args: Any, **kwargs: Any) -> Tensor:
            total = clip(parameters, max_norm, *args, **kwargs)
            if not torch.compiler.is_compiling():
                clipped(total, max_norm)
            return total

        clip_value = torch.nn.utils.clip_grad_value_
        norm = state.ledger.guard("clipping", self._norm)
        cut = state.ledger.guard("clipping", self._cut)

        def watched_value(parameters: Any, *args: Any, **kwargs: Any) -> None:
            if torch.compiler.is_compiling() or not state.light or scaled():
                clip_value(parameters, *args, **kwargs)
                return
            tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
            before = norm(tensors)
            clip_value(tensors, *args, **kwargs)
            cut(before, tensors)

        for name, own in (("clip_grad_norm_", watched), ("clip_grad_value_", watched_value)):
            patches.wrap(torch.nn.utils, name, own)
            patches.wrap(torch.nn.utils.clip_grad, name, own)

    @staticmethod
    def _norm(tensors: list[Tensor]) -> Tensor | None:
        """Of all their gradients together; None where there is none."""
        grads = [local(p.grad) for p in tensors if p.grad is not None and not p.grad.is_sparse]
        return measure.norm(measure.norms(grads)) if grads else None

    def _cut(self, before: Tensor | None, tensors: list[Tensor]) -> None:
        after = self._norm(tensors)
        if before is not None and after is not None:
            left = (after / (before + 1e-30)).clamp(max=1.0)
            self.state.readout.add(CLIP_FACTOR, user_line(), self.state.step, left)

    def _clipped(self, total: Any, limit: Any) -> None:
        state = self.state
        state.count("clip_calls")
        if not self.fresh():
            state.count("clip_late")
        if isinstance(total, Tensor) and not total.is_meta:
            norm = local(total)
            if norm.device.type == "cpu":
                state.count("clipped", int(float(norm) > float(limit)))
            if state.light and not self.scaled():
                left = (float(limit) / (norm + 1e-6)).clamp(max=1.0)  # torch's own formula
                state.readout.add(CLIP_FACTOR, user_line(), state.step, left)
        if self.scaled():
            state.count("clip_scaled")
