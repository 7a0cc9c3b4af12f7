"""Sees an evaluation begin while the steps coast and no module call is seen.

A quick training soon runs without module hooks (`Governor.watchful`), and its last evaluation would
pass unseen. So a model that is told to evaluate, or gradients that are switched off, bring the
hooks back until the next backward pass. Where gradients are switched off within the steps, as to
clip them, this is given up.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from penlight.probe.coast import Coast
from penlight.probe.forward import Forward
from penlight.probe.guard import Patches
from penlight.probe.state import State

IN_VAIN = 3  # times without an evaluation until it is given up


class Wake:
    """Brings the module hooks back for evaluations; `end` when the training goes on."""

    def __init__(self, state: State, forward: Forward, coast: Coast, patches: Patches) -> None:
        self.state = state
        self.forward = forward
        self.coast = coast
        self.on = False
        self._in_vain = 0
        self._before: object = None
        guard = state.ledger.guard("forward hooks", self._begin)
        evaluate = nn.Module.eval

        def told(module: nn.Module) -> nn.Module:
            if coast.on and not self.on:
                guard()
            return evaluate(module)

        patches.wrap(nn.Module, "eval", told)
        for context in (torch.no_grad, torch.inference_mode):
            patches.wrap(context, "__enter__", self._entered(context.__enter__, guard))

    def _entered(self, enter: Any, begin: Any) -> Any:
        coast = self.coast

        def entered(context: Any) -> Any:
            if coast.on and not self.on and self._in_vain < IN_VAIN:
                begin()
            return enter(context)

        return entered

    def _begin(self) -> None:
        forward, state = self.forward, self.state
        if forward.active:
            return
        if not state.room(keep=0.0):
            self._in_vain += 1
            return
        self.on, self._before = True, forward.last_eval
        forward.on()

    def end(self) -> None:
        """The training goes on."""
        self.on = False
        self._in_vain += self.forward.last_eval is self._before
        self.forward.off()
