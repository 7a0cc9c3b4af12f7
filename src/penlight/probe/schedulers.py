"""Watches learning-rate schedulers: made when, called how often, before or after the steps.

Only the making of one is patched. How often it was called is read off its own counter, on the
steps that the probe looks at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from penlight.core import facts as f
from penlight.probe.guard import Patches
from penlight.probe.state import State, user_line

HORIZONS = ("total_steps", "T_max", "total_iters")
MOST = 16  # schedulers that are followed


@dataclass
class Followed:
    """One scheduler."""

    scheduler: ReferenceType[Any]
    optimizer: ReferenceType[Any]
    fact: f.Schedule
    begun: bool = False  # its optimiser has stepped


class Schedulers:
    """All schedulers of one run."""

    def __init__(self, state: State, patches: Patches) -> None:
        self.state = state
        self.followed: list[Followed] = []
        init, load = LRScheduler.__init__, LRScheduler.load_state_dict
        made = state.ledger.guard("schedulers", self._made)
        restored = state.ledger.guard("schedulers", self._loaded)

        def watched_init(scheduler: Any, *args: Any, **kwargs: Any) -> None:
            init(scheduler, *args, **kwargs)
            if not torch.compiler.is_compiling():
                made(scheduler)

        def watched_load(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            result = load(scheduler, *args, **kwargs)
            restored(scheduler)
            return result

        patches.wrap(LRScheduler, "__init__", watched_init)
        patches.wrap(LRScheduler, "load_state_dict", watched_load)

    def _made(self, scheduler: Any) -> None:
        optimizer = scheduler.optimizer
        if len(self.followed) >= MOST or not isinstance(optimizer, Optimizer):
            return
        horizon = next((getattr(scheduler, n) for n in HORIZONS if hasattr(scheduler, n)), 0)
        fact = f.Schedule(
            index=len(self.followed),
            type=type(scheduler).__name__,
            source=user_line(3),
            horizon=int(horizon or 0),
            built_lr=float(optimizer.param_groups[0]["lr"]),
            base_lr=float(optimizer.param_groups[0].get("initial_lr", 0.0)),
            loaded=scheduler.last_epoch != 0,  # it goes on from a place that the script named
        )
        self.followed.append(Followed(ref(scheduler), ref(optimizer), fact))

    def _loaded(self, scheduler: Any) -> None:
        for followed in self.followed:
            if followed.scheduler() is scheduler:
                followed.fact = replace(followed.fact, loaded=True)

    def begin(self, optimizer: Optimizer) -> None:
        """An optimiser is about to make its first step."""
        for followed in self.followed:
            scheduler = followed.scheduler()
            if scheduler is not None and followed.optimizer() is optimizer and not followed.begun:
                followed.begun = True
                if self.state.step == 0:  # later ones may be met after a first step
                    followed.fact = replace(followed.fact, early=calls(scheduler))

    def look(self) -> None:
        """Read the counters."""
        for followed in self.followed:
            scheduler = followed.scheduler()
            if scheduler is not None and followed.begun:
                fact = replace(followed.fact, calls=calls(scheduler), step=self.state.step)
                followed.fact = fact

    def finish(self) -> None:
        """Write what was read last."""
        self.look()
        for followed in self.followed:
            if followed.begun:
                self.state.write(followed.fact)


def calls(scheduler: Any) -> int:
    """How often the script has called step(); the first call is the scheduler's own."""
    return max(int(getattr(scheduler, "_step_count", 1)) - 1, 0)
