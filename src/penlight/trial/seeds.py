"""Gives a run other random numbers, the same ones for both arms of a pair.

What is shifted by the pair's offset: `random.seed`, `numpy.random.seed`,
`numpy.random.default_rng(n)`, `torch.manual_seed`, `torch.cuda.manual_seed(_all)`,
`torch.Generator.manual_seed`, and with them `keras.utils.set_random_seed`. A script that sets no
seed gets one. Pair 0 is the script as it is. `RandomState(n)` and the `random_state=n` of
scikit-learn stay: they mostly split the data.
"""

from __future__ import annotations

import random
from typing import Any

STRIDE = 1000  # scripts use neighbouring seeds for neighbouring things
LIMIT = 1 << 32


def shift(pair: int) -> None:
    """Seed this process for a pair, and shift the seeds that the script sets itself."""
    offset = pair * STRIDE
    _python(offset)
    _numpy(offset)
    _torch(offset)


def _moved(seed: Any, offset: int) -> Any:
    """A whole number moved; anything else as it is."""
    whole = isinstance(seed, int) or hasattr(seed, "__index__")
    return (int(seed) + offset) % LIMIT if whole and not isinstance(seed, bool) else seed


def _python(offset: int) -> None:
    random.seed(offset)
    if not offset:
        return
    original = random.seed

    def seed(a: Any = None, version: int = 2) -> None:
        original(offset if a is None else _moved(a, offset), version)

    random.seed = seed


def _numpy(offset: int) -> None:
    try:
        import numpy as np
    except ImportError:
        return
    legacy, modern = np.random.seed, np.random.default_rng
    legacy(offset)
    count = 0

    def seed(seed: Any = None) -> None:
        legacy(offset if seed is None else _moved(seed, offset))

    def default_rng(seed: Any = None) -> Any:
        nonlocal count
        if seed is None:  # fresh entropy would tell the two arms of a pair apart
            count += 1
            return modern([offset, count])
        return modern(_moved(seed, offset))

    np.random.seed, np.random.default_rng = seed, default_rng


def _torch(offset: int) -> None:
    try:
        import torch
    except ImportError:
        return
    torch.manual_seed(offset)
    if not offset:
        return
    original = torch.manual_seed
    torch.manual_seed = torch.random.manual_seed = lambda seed: original(_moved(seed, offset))
    for name in ("manual_seed", "manual_seed_all"):
        inner = getattr(torch.cuda, name)
        setattr(torch.cuda, name, lambda seed, inner=inner: inner(_moved(seed, offset)))
    own: Any = torch.Generator

    class Kind(type(own)):  # type: ignore[misc]
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, own)

    class Generator(own, metaclass=Kind):  # type: ignore[misc]
        def manual_seed(self, seed: int) -> Any:
            super().manual_seed(_moved(seed, offset))
            return self

    torch.Generator = Generator
