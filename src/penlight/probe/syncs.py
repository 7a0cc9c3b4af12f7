"""How often the loop reads a number back from the device, and how long it waits for it.

Nothing is patched before the script has made use of a GPU: on a CPU there is nothing to wait for.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from penlight.core import facts as f
from penlight.probe.guard import Patches
from penlight.probe.state import State, user_line

READS = ("item", "tolist", "cpu")
WARM = 10  # steps until kernels are loaded and the allocator has settled
PLACES = 8  # lines that are told at most


class Syncs:
    """Counts reads of device tensors between optimiser steps."""

    def __init__(self, state: State, patches: Patches) -> None:
        self.state = state
        self.patches = patches
        self.installed = False
        self.reads = 0
        self.waited = 0.0
        self.started = 0.0
        self.first = 0
        self.places: dict[str, int] = {}

    def begin(self, optimizer: Optimizer) -> None:
        """An optimiser is about to make its first step."""
        if not self.installed and torch.cuda.is_initialized():
            self.install()

    def install(self) -> None:
        """Patch the ways to read a tensor."""
        self.installed = True
        note = self.state.ledger.guard("device reads", self._note)
        for name in READS:
            self.patches.wrap(Tensor, name, self._wrap(getattr(Tensor, name), note))

    def _wrap(self, original: Any, note: Any) -> Any:
        def watched(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            if tensor.device.type == "cpu" or torch.compiler.is_compiling():
                return original(tensor, *args, **kwargs)
            start = perf_counter()
            result = original(tensor, *args, **kwargs)
            note(perf_counter() - start)
            return result

        return watched

    def _note(self, seconds: float) -> None:
        if self.state.step < WARM:
            return
        if not self.started:
            self.started, self.first = perf_counter(), self.state.step
        self.reads += 1
        self.waited += seconds
        if self.state.light and len(self.places) < PLACES:
            line = user_line(4)
            self.places[line] = self.places.get(line, 0) + 1

    def finish(self) -> None:
        """Write the counts."""
        steps = self.state.step - self.first
        if self.reads and steps > 0:
            self.state.write(
                f.Reads(
                    steps=steps,
                    reads=self.reads,
                    waited=self.waited,
                    seconds=perf_counter() - self.started,
                    places=tuple(sorted(self.places, key=lambda k: -self.places[k])),
                )
            )
