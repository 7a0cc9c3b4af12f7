"""Looks at data loaders with workers: do they hand the same generator to each?

A worker gets a copy of the dataset. torch gives each copy's global generators another seed; one
that the dataset holds itself is copied with its state. Nothing of the user's is called: the
dataset's fields and the code of its methods are read when a loader with workers is iterated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from penlight.core import facts as f
from penlight.probe.guard import Patches
from penlight.probe.state import State

GENERATORS = ("Generator", "RandomState", "Random")  # of numpy, torch and the standard library
MODULES = ("numpy", "torch", "random")
DEEP = 3  # objects within objects that are looked into
MOST = 64  # fields of one object
UNTOUCHED = ("__init__", "__post_init__")


class Loaders:
    """Facts about loaders whose dataset holds a random generator of its own."""

    def __init__(self, state: State, patches: Patches) -> None:
        self.state = state
        self.epochs: dict[int, int] = {}
        begin = DataLoader.__iter__
        look = state.ledger.guard("data loaders", self._look)

        def watched(loader: Any) -> Any:
            if loader.num_workers and not torch.compiler.is_compiling():
                look(loader)
            return begin(loader)

        patches.wrap(DataLoader, "__iter__", watched)

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
