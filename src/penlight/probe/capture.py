"""Keeps a few training batches and the model's first state, so that steps can be replayed.

A step can be replayed when the model was called with plain tensors and the loss came from one
call of a known loss function on its output, reshaped at most. Whether it really can is checked
on the spot by value. Only small models are kept; everything is a copy.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from penlight.probe.models import Root
from penlight.probe.state import State

MODEL_BYTES = 32 << 20  # largest model that is copied
BATCH_BYTES = 32 << 20  # of the batches kept, together
FIRST = 24  # batches kept from the start
LAST = 12  # newest batches kept


@dataclass
class Batch:
    """Copies of what one training step was given."""

    step: int
    args: tuple[Tensor, ...]
    name: str  # loss function
    target: Tensor
    kwargs: dict[str, Any]
    shape: tuple[int, ...]  # the output's shape as the loss saw it
    loss: float

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(t.numel() * t.element_size() for t in (*self.args, self.target))


class UnrepeatableError(Exception):
    """The script's model cannot be copied or called again: no fault of ours."""


class Capture:
    """What the exam needs of one run; empty when steps cannot be replayed."""

    def __init__(self, state: State, functions: dict[str, Any]) -> None:
        self.state = state
        self.functions = functions
        self.first: list[Batch] = []
        self.last: deque[Batch] = deque(maxlen=LAST)
        self.model: nn.Module | None = None
        self.start: dict[str, Tensor] = {}
        self.modes: dict[str, bool] = {}
        self.optimizer: tuple[type[Optimizer], list[dict[str, Any]]] | None = None
        self.off = False
        self._pending: tuple[Root, tuple[Tensor, ...], Tensor] | None = None
        self._bytes = 0

    def forward(self, root: Root, args: Any, output: Tensor) -> None:
        """A training forward pass of a root has ended."""
        plain = isinstance(args, tuple) and all(isinstance(a, Tensor) and a.dim() for a in args)
        if self.off or not plain or not args or output.device.type != "cpu":
            return
        model = root.module
        if model is None or (self.model is not None and model is not self.model):
            return
        if self.model is None:
            if sum(t.numel() * t.element_size() for t in model.state_dict().values()) > MODEL_BYTES:
                self.off = True
                return
            self.model = model
        self._pending = (root, tuple(a.detach() for a in args), output.detach())

    def objective(
        self, name: str, x: Tensor, y: Tensor, given: dict[str, Any], loss: Tensor
    ) -> None:
        """A training loss was computed; `given` are all arguments of the call."""
        pending, self._pending = self._pending, None
        if self.off or pending is None or loss.numel() != 1:
            return
        _, args, output = pending
        if x.numel() != output.numel() or not torch.equal(
            output.detach().reshape(x.shape), x.detach()
        ):
            return
        extra = {k: v for k, v in given.items() if k not in ("input", "target")}
        size = sum(t.numel() * t.element_size() for t in (*args, y))
        if size > BATCH_BYTES // 8:
            return
        batch = Batch(
            self.state.step,
            tuple(a.detach().clone() for a in args),
            name,
            y.detach().clone(),
            extra,
            tuple(x.shape),
            float(loss.detach()),
        )
        if len(self.first) < FIRST and self._bytes + size < BATCH_BYTES:
            self.first.append(batch)
            self._bytes += size
        else:
            self.last.append(batch)

    def snapshot(self) -> None:
        """Copy the weights as they are."""
        if self.model is not None and self.first:
            self.modes = {name: m.training for name, m in self.model.named_modules()}
            self.start = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def before_first_step(self, optimizer: Optimizer) -> None:
        """The weights are still the initial ones: copy them if the first batch was replayable."""
        if self.off or self.model is None or not self.first or self.optimizer is not None:
            return
        held = {id(p) for g in optimizer.param_groups for p in g["params"]}
        if not any(id(p) in held for p in self.model.parameters()):
            return
        self.snapshot()
        groups = []
        for group in optimizer.param_groups:
            names = [
                n for n, p in self.model.named_parameters() if any(p is q for q in group["params"])
            ]
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": names})
        self.optimizer = (type(optimizer), groups)

    def train(self, model: nn.Module) -> None:
        """Put a copy into the modes that the model had when its training began."""
        for name, module in model.named_modules():
            module.training = self.modes.get(name, True)

    def call(self, model: nn.Module, args: tuple[Tensor, ...]) -> Any:
        """The model's output.

        Raises:
            UnrepeatableError: it does not run a second time on its own.
        """
        try:
            return model(*args)
        except Exception as error:
            raise UnrepeatableError(f"{type(error).__name__}: {error}") from error

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss of a batch under `model`, through the loss function the script used."""
        output = self.call(model, batch.args)
        if isinstance(output, (tuple, list)):
            output = output[0]
        elif isinstance(output, dict):
            output = next(iter(output.values()))
        return self.compare(output.reshape(batch.shape), batch)

    def compare(self, output: Tensor, batch: Batch) -> Tensor:
        """The loss of an output, of the shape that the loss saw, on a batch's target."""
        function = self.functions.get(batch.name) or getattr(functional, batch.name)
        result: Tensor = function(output, batch.target, **batch.kwargs)
        return result
