"""The steps between looks, at the least that a step can cost.

A small network takes its step in less time than our careful callbacks take. Once the sentinels of
every step have used up their part of the budget (`Governor.watchful`), most steps coast: the loss,
the learning rate and the count of the step are kept, and nothing else is asked. Whatever is unusual
about a step sends it the careful way, and so does every 32nd (`schedule.SPARSE`).
"""

from __future__ import annotations

from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Any

from torch import _C, Tensor

from penlight.core.vocabulary import LOSS, LR
from penlight.probe.forward import in_backward
from penlight.probe.guard import BRIEF
from penlight.probe.state import State
from penlight.probe.still import unreal

if TYPE_CHECKING:
    from penlight.probe.watched import Watched

_function_modes = _C._len_torch_function_stack
_dispatch_modes = _C._len_torch_dispatch_stack


class Coast:
    """A stretch of steps whose losses are kept and written together when it ends.

    `backward` and `after` give True when they have done all that this step needs, False when the
    careful path is to be taken, after `end`.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.on = False
        self.losses: list[float] = []  # of backward passes since the last step
        self.kept: dict[int, tuple[Watched, list[int], list[float]]] = {}
        self.passes = 0
        self.steps = 0
        self.price = 0.0  # seconds that the first step of the stretch has taken us

    def backward(self, loss: Any) -> bool:
        """A backward pass begins on `loss`."""
        if type(loss) is not Tensor or loss.ndim or not loss.is_cpu:
            return False
        start = perf_counter() if not self.steps else 0.0
        ledger = self.state.ledger
        if ledger.inside or not ledger.ours() or unreal() or in_backward():
            return False
        if _function_modes() or _dispatch_modes():
            return False
        value = loss.item()
        if type(value) is not float or not isfinite(value):
            return False
        self.losses.append(value)
        self.passes += 1
        if start:
            self.price += perf_counter() - start
        return True

    def after(self, watched: Watched | None, optimizer: Any) -> bool:
        """An optimiser has stepped."""
        losses, state = self.losses, self.state
        if watched is None or (losses and len(losses) != watched.backwards):
            return False
        if state.step + 1 >= state.governor.due or in_backward() or not state.ledger.ours():
            return False
        start = perf_counter() if not self.steps else 0.0
        if losses:
            kept = self.kept.get(watched.index)
            if kept is None:
                kept = self.kept[watched.index] = (watched, [], [])
            kept[1].append(state.step)
            kept[2].append(losses[0] if len(losses) == 1 else sum(losses) / len(losses))
            losses.clear()
        lr = optimizer.param_groups[0].get("lr")
        if type(lr) is float and lr != watched.lr:
            watched.lr = lr
            state.readout.add(LR, watched.site, state.step, lr)
        watched.steps += 1
        if watched.steps > state.step:
            state.step = watched.steps
            self.steps += 1
        if start:
            self.price += perf_counter() - start
        return True

    def end(self) -> None:
        """Hand on what was kept: the careful path takes over, or the run is over."""
        self.on = False
        state, ledger = self.state, self.state.ledger
        for watched, steps, losses in self.kept.values():
            for step, loss in zip(steps, losses, strict=True):
                state.readout.add(LOSS, watched.site, step, loss)
            watched.loss = losses[-1]
            # The gradients were used, and nobody has looked whether they were cleared since.
            watched.used, watched.stale = True, False
        state.losses.extend(self.losses)
        state.backwards += self.passes
        state.count("backwards", self.passes)
        ledger.cost += self.steps * (min(self.price, 2 * BRIEF) + 2 * ledger.around)
        self.losses, self.kept = [], {}
        self.passes = self.steps = 0
        self.price = 0.0
