"""Watches Adam's memory of squared gradients, right after a step that gets a full look."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim import optimizer as hooks

from penlight.core.vocabulary import EPSILON_FACTOR, GRAD_SURPRISE
from penlight.probe.state import State, measurable
from penlight.signals import moments as measure
from penlight.signals.parameters import local, sample

TENSORS = 48  # parameters of one optimiser that are looked at, spread over all of them


class Moments:
    """Reads the state of Adam and its relatives. Its hook comes before the one that ends a step."""

    def __init__(self, state: State) -> None:
        self.state = state
        look = state.ledger.guard("optimiser memory", self._look)

        def post(optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # torch's
            if state.armed and not torch.compiler.is_compiling():
                look(optimizer)

        self._handle = hooks.register_optimizer_step_post_hook(post)

    def remove(self) -> None:
        """Take the hook off."""
        self._handle.remove()

    def _look(self, optimizer: Optimizer) -> None:
        if getattr(optimizer, "grad_scale", None) is not None or not self.state.room():
            return  # the gradients still carry a GradScaler's factor
        found = [
            (p, group)
            for group in optimizer.param_groups
            for p in group["params"]
            if isinstance(p.grad, Tensor) and "exp_avg_sq" in optimizer.state.get(p, ())
        ]
        for p, group in found[:: max(1, -(-len(found) // TENSORS))]:
            self._measure(p, optimizer.state[p], group)

    def _measure(self, p: Tensor, memory: dict[str, Any], group: dict[str, Any]) -> None:
        state, name = self.state, self.state.models.parameter(p)
        grad, square, steps = local(p.grad), local(memory["exp_avg_sq"]), memory.get("step")
        if not name or steps is None or not grad.numel() or grad.shape != square.shape:
            return
        if not (measurable(grad) and grad.is_contiguous() and square.is_contiguous()):
            return
        decay, eps = float(group["betas"][1]), float(group["eps"])
        square, grad = sample(square) / (1.0 - decay**steps), sample(grad)
        state.readout.add(
            EPSILON_FACTOR, name, state.step, measure.epsilon_factor(square, grad, eps)
        )
        state.readout.add(GRAD_SURPRISE, name, state.step, measure.surprise(square, grad, eps))
