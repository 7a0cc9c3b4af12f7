"""Watches data-parallel training: which rows this rank is fed, and samplers that shuffle.

Nothing is sent between ranks. Each writes down a few fingerprints of its own rows, and whoever
reads the run puts them side by side (`penlight.store.peers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data.distributed import DistributedSampler

from penlight.core import facts as f
from penlight.probe.guard import Patches
from penlight.probe.models import Root
from penlight.probe.sharing import fully_sharded
from penlight.probe.state import State, user_line

STEPS = 8  # steps whose rows are kept
ROWS = 32  # rows of each


@dataclass
class Passes:
    """How one sampler was iterated."""

    epochs: set[int]
    replicas: int
    count: int = 0
    source: str = ""
    second: int = 0  # step of the second pass


class Shards:
    """What this rank has of the data."""

    def __init__(self, state: State, patches: Patches) -> None:
        self.state = state
        self.rows: dict[int, tuple[float, ...]] = {}
        self.parallel: tuple[str, str, bool] | None = None
        self.wrapped: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()  # processes
        self.passes: WeakKeyDictionary[Any, Passes] = WeakKeyDictionary()
        begin = DistributedSampler.__iter__
        look = state.ledger.guard("distributed samplers", self._pass)

        def watched(sampler: Any) -> Iterator[Any]:
            seen = look(sampler)
            return begin(sampler) if seen is None else self._follow(seen, sampler, begin(sampler))

        patches.wrap(DistributedSampler, "__iter__", watched)
        self._patch_wrapping(patches)

    def fed(self, root: Root, prints: list[float]) -> None:
        """Take in the fingerprints of the rows of one training batch."""
        if len(self.rows) >= STEPS or self.state.step in self.rows or world() < 2:
            return
        if self.parallel is None and root.module is not None:
            found = self._spread(root.module)
            self.parallel = (root.label, *found) if found is not None else None
        if self.parallel is not None and self.parallel[0] == root.label:
            self.rows[self.state.step] = tuple(prints[:ROWS])

    def finish(self) -> None:
        """Write what was seen."""
        if self.rows and self.parallel is not None:
            root, name, synchronised = self.parallel
            self.state.write(
                f.Shard(
                    world=max(world(), 2),
                    root=root,
                    parallel=name,
                    synchronised=synchronised,
                    steps=tuple(self.rows),
                    rows=tuple(self.rows.values()),
                )
            )
        for seen in self.passes.values():
            if not seen.count:
                continue
            self.state.write(
                f.Sampler(
                    passes=seen.count,
                    epochs=len(seen.epochs),
                    replicas=seen.replicas,
                    source=seen.source,
                    step=seen.second,
                )
            )

    def _patch_wrapping(self, patches: Patches) -> None:
        init = DistributedDataParallel.__init__
        wrapped = self.state.ledger.guard("distributed models", self._wrapped)

        def watched(wrapper: Any, *args: Any, **kwargs: Any) -> None:
            init(wrapper, *args, **kwargs)
            wrapped(wrapper)

        patches.wrap(DistributedDataParallel, "__init__", watched)

    def _wrapped(self, wrapper: DistributedDataParallel) -> None:
        self.wrapped[wrapper.module] = wrapper.process_group.size()

    def _spread(self, model: nn.Module) -> tuple[str, bool] | None:
        """What spreads a model's data over all processes, and whether it keeps the weights whole.

        None where nothing does, or where other processes share this one's rows on purpose: a
        group smaller than the world, or a mesh of several dimensions.
        """
        if model in self.wrapped:
            everybody = self.wrapped[model] == world()
            return (DistributedDataParallel.__name__, True) if everybody else None
        mesh = getattr(next(model.parameters(), None), "device_mesh", None)
        if mesh is None or mesh.ndim > 1 or mesh.size() != world() or not fully_sharded(model):
            return None
        return "FSDP", False

    def _pass(self, sampler: Any) -> Passes | None:
        """The record of a sampler that is about to be iterated; None: it is of no interest."""
        if type(sampler) is not DistributedSampler or not sampler.shuffle:
            return None  # a class of the user's may keep epochs of its own
        seen = self.passes.setdefault(sampler, Passes(set(), int(sampler.num_replicas)))
        seen.source = seen.source or user_line()
        return seen

    def _follow(self, seen: Passes, sampler: Any, indices: Iterator[Any]) -> Iterator[Any]:
        """Pass the indices on; what no step was made of is an evaluation, whose order is free."""
        begun, epoch = self.state.step, int(sampler.epoch)
        yield from indices
        if self.state.step > begun:
            seen.epochs.add(epoch)
            seen.count += 1
            if seen.count == 2:
                seen.second = begun


def world() -> int:
    """Processes of the default group; 1 where there is none."""
    distributed = torch.distributed
    if not distributed.is_available() or not distributed.is_initialized():
        return 1
    return int(distributed.get_world_size())
