"""Looks at data loaders when they are iterated: workers, and iterators that are soon dropped.

Do workers get the same generator? A worker gets a copy of the dataset. torch gives each copy's
global generators another seed; one that the dataset holds itself is copied with its state. Nothing
of the user's is called: the dataset's fields and the code of its methods are read when a loader
with workers is iterated.

`next(iter(loader))` in a loop begins anew each time: the steps between two beginnings are counted,
and the length is asked for once, which such a loader does itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, SequentialSampler

from penlight.core import facts as f
from penlight.probe.guard import Patches
from penlight.probe.state import State, user_line

GENERATORS = ("Generator", "RandomState", "Random")  # of numpy, torch and the standard library
MODULES = ("numpy", "torch", "random")
DEEP = 3  # objects within objects that are looked into
MOST = 64  # fields of one object
UNTOUCHED = ("__init__", "__post_init__")


@dataclass
class Begun:
    """The iterators of one loader.

    Attributes:
        feed: what is the same for all of them.
        step: training steps done when the newest was begun.
    """

    feed: f.Feed
    step: int
    iterators: int = 1
    single: int = 0


class Loaders:
    """Facts about loaders: a random generator that the dataset holds, and how they are used up."""

    def __init__(self, state: State, patches: Patches) -> None:
        self.state = state
        self.epochs: dict[int, int] = {}
        self.begun: dict[tuple[int, int | None], Begun] = {}  # by dataset and batch size
        begin = DataLoader.__iter__
        look = state.ledger.guard("data loaders", self._look)
        count = state.ledger.guard("data loaders", self._count)

        def watched(loader: Any) -> Any:
            if not torch.compiler.is_compiling():
                count(loader)
                if loader.num_workers:
                    look(loader)
            return begin(loader)

        patches.wrap(DataLoader, "__iter__", watched)

    def _count(self, loader: Any) -> None:
        if type(loader.sampler) is not SequentialSampler:
            return  # each iterator begins with other rows
        key, step = (id(loader.dataset), loader.batch_size), self.state.step
        known = self.begun.get(key)
        if known is not None:
            known.iterators += 1
            known.single += step == known.step + 1
            known.step = step
        elif len(self.begun) < MOST and not isinstance(loader.dataset, IterableDataset):
            try:
                batches, rows = len(loader), len(loader.dataset)
            except TypeError:  # what Keras makes of arrays does not know how long it is
                return
            feed = f.Feed(source=user_line(4), batches=batches, rows=rows)
            self.begun[key] = Begun(feed, step)

    def finish(self) -> None:
        """Write how the loaders were used up."""
        for begun in self.begun.values():
            if begun.single:
                single, count = begun.single, begun.iterators
                self.state.write(replace(begun.feed, iterators=count, single=single))

    def _look(self, loader: Any) -> None:
        count = self.epochs[id(loader)] = self.epochs.get(id(loader), 0) + 1
        if count > 2:
            return
        held = next(generators(loader.dataset), None)
        if held is None:
            return
        self.state.write(
            f.Exam(
                name="workers",
                step=self.state.step,
                values={
                    "generator": held,
                    "workers": loader.num_workers,
                    "epochs": count,
                    "persistent": bool(loader.persistent_workers),
                    "seeded": loader.worker_init_fn is not None,
                    "batch": loader.batch_size or 0,
                },
            )
        )


def generators(thing: Any, depth: int = DEEP, name: str = "dataset") -> Iterator[str]:
    """Names of the random generators that an object holds and draws from when it is asked."""
    fields = getattr(thing, "__dict__", None)
    items: list[tuple[str, Any]] = []
    if isinstance(thing, (list, tuple)):
        items = [(f"{name}[{i}]", v) for i, v in enumerate(thing[:MOST])]
    elif isinstance(fields, dict):
        used = drawn(type(thing))
        for key, value in list(fields.items())[:MOST]:
            kind = type(value)
            if kind.__name__ in GENERATORS and kind.__module__.startswith(MODULES):
                if key in used:
                    yield f"{name}.{key}"
            else:
                items.append((f"{name}.{key}", value))
    if depth:
        for label, value in items:
            plain = isinstance(value, (str, bytes, int, float, torch.Tensor, type(None)))
            if not plain and not isinstance(value, type):
                yield from generators(value, depth - 1, label)


def drawn(kind: type) -> set[str]:
    """Names that the methods of a class speak of, its constructors apart."""
    names: set[str] = set()
    for base in kind.__mro__:
        for key, method in vars(base).items():
            code = getattr(method, "__code__", None)
            if code is not None and key not in UNTOUCHED:
                names.update(code.co_names)
    return names
