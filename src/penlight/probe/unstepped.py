"""Notices an optimiser that was made and is never asked to step, while gradients are computed."""

from __future__ import annotations

from collections.abc import Container, Iterable
from weakref import ReferenceType, ref

import torch
from torch import Tensor
from torch.optim import Optimizer

from penlight.probe.state import State
from penlight.signals import parameters as weights

FIRST = 2  # backward passes: now the leaves of a loss are known


class Unstepped:
    """Compares one weight, that an optimiser holds and a loss reaches, over the backward passes.

    A loop that changes its weights without `Optimizer.step` moves it, and is left alone.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.weight: ReferenceType[Tensor] | None = None
        self.before: Tensor | None = None
        self.found: tuple[str, str] | None = None  # the optimiser's type and its source

    def look(self, optimizers: Iterable[tuple[Optimizer, str]], reached: Container[int]) -> None:
        """At backward passes 2, 4, 8, ... while no optimiser has stepped."""
        count = self.state.backwards
        if count < FIRST or count & (count - 1):
            return
        if self.before is None:
            self._choose(optimizers, reached)
            return
        weight = self.weight() if self.weight is not None else None
        if weight is None or not torch.equal(weights.sample(weight), self.before):
            self.found = None

    def finish(self, stepped: bool) -> None:
        """Say so in the hygiene facts, if no optimiser has stepped to the end."""
        if self.found is not None and not stepped:
            self.state.hygiene["unstepped"], self.state.hygiene["unstepped_source"] = self.found

    def _choose(self, optimizers: Iterable[tuple[Optimizer, str]], reached: Container[int]) -> None:
        for optimizer, source in optimizers:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.requires_grad and id(p) in reached and not p.is_meta:
                        self.weight, self.before = ref(p), weights.sample(p)
                        self.found = type(optimizer).__name__, source
                        return
