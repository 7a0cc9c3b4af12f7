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
from penlight.signals.parameters import local, samples

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
        fit = []
        for p, group in found[:: max(1, -(-len(found) // TENSORS))]:
            if self._fits(p, optimizer.state[p]):
                fit.append((p, optimizer.state[p], group))
        devices = {p.device for p, _, _ in fit}
        for device in devices:
            self._measure([each for each in fit if each[0].device == device])

    def _fits(self, p: Tensor, memory: dict[str, Any]) -> bool:
        grad, square = local(p.grad), local(memory["exp_avg_sq"])
        if not self.state.models.parameter(p) or memory.get("step") is None:
            return False
        if not grad.numel() or grad.shape != square.shape:
            return False
        return measurable(grad) and grad.is_contiguous() and square.is_contiguous()

    def _measure(self, fit: list[tuple[Tensor, dict[str, Any], dict[str, Any]]]) -> None:
        """Measure parameters of one device together."""
        readout, step, device = self.state.readout, self.state.step, fit[0][0].device
        names = [self.state.models.parameter(p) for p, _, _ in fit]
        grads, lengths = samples([p.grad for p, _, _ in fit if p.grad is not None])
        squares, _ = samples([memory["exp_avg_sq"] for _, memory, _ in fit])
        left = [1.0 - float(group["betas"][1]) ** memory["step"] for _, memory, group in fit]
        if any(isinstance(x, Tensor) for x in left):
            bias = torch.stack([torch.as_tensor(x).to(device, non_blocking=True) for x in left])
        else:
            bias = torch.tensor(left, device=device)
        counts = torch.tensor(lengths, device=device)
        squares = squares / torch.repeat_interleave(bias.to(squares.dtype), counts)
        eps = torch.tensor([float(group["eps"]) for _, _, group in fit], device=device)
        factors, surprises = measure.of_parts(squares, grads, eps, lengths)
        readout.add_each(EPSILON_FACTOR, names, step, factors)
        readout.add_each(GRAD_SURPRISE, names, step, surprises)
