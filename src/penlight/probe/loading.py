"""How long the training waits for its DataLoader: two readings of the clock for each batch."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

from torch.utils.data import RandomSampler, dataloader

from penlight.core import facts as f
from penlight.probe.guard import Patches
from penlight.probe.state import State

WARM = 10  # batches until workers, caches and the allocator have settled
KEPT = 4096  # waits behind the median


class Loading:
    """Time spent in the DataLoaders that optimiser steps are fed from."""

    def __init__(self, state: State, patches: Patches) -> None:
        self.state = state
        self.last: tuple[int, int, float] = (0, -1, 0.0)  # iterator, step, end of its last fetch
        self.fetches = 0
        self.taken = 0  # batches of any loader
        self.shuffled = False  # the newest comes from one that shuffles
        self.waited = 0.0
        self.cycles = 0.0
        self.workers = 0
        self.waits: list[float] = []
        owner = dataloader._BaseDataLoaderIter
        following = owner.__next__
        note = self._note

        def watched_next(iterator: Any) -> Any:
            start = perf_counter()
            result = following(iterator)
            note(iterator, start, perf_counter())
            return result

        patches.wrap(owner, "__next__", watched_next)

    def _note(self, iterator: Any, start: float, end: float) -> None:
        """One batch has come. It is for training if a step was done since the one before it."""
        self.taken += 1
        sampler = getattr(getattr(iterator, "_index_sampler", None), "sampler", None)
        self.shuffled = type(sampler) is RandomSampler
        step, before = self.state.step, self.last
        self.last = (id(iterator), step, end)
        if before[0] != id(iterator) or step <= before[1] or not self.state.ledger.ours():
            return
        self.fetches += 1
        if self.fetches <= WARM:
            return
        self.workers = getattr(iterator, "_num_workers", 0)
        self.waited += end - start
        self.cycles += end - before[2]
        if len(self.waits) < KEPT:
            self.waits.append(end - start)

    def finish(self) -> None:
        """Write the sums."""
        if self.waits:
            self.state.write(
                f.Loading(
                    batches=self.fetches - WARM,
                    waited=self.waited,
                    seconds=self.cycles,
                    median=median(self.waits),
                    workers=self.workers,
                )
            )
