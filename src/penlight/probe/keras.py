"""Keras 3 on torch: its optimisers are no torch optimisers, so their `apply` is watched.

Its layers do not go through torch's module call either: names of layers and activations inside a
Keras model stay unseen, which is said; loss, gradients, updates and the graph are seen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from penlight.probe.guard import Patches


class KerasOptimizer:
    """Looks like a torch optimiser to the probe."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """One group: the variables it trains, and its settings by torch's names."""
        inner = self.inner
        values = [v.value for v in getattr(inner, "_trainable_variables", [])]
        decay = getattr(inner, "weight_decay", 0.0)
        return [
            {
                "params": values,
                "lr": float(inner.learning_rate),
                "momentum": float(getattr(inner, "momentum", 0.0) or 0.0),
                "weight_decay": float(decay or 0.0),
                "eps": float(getattr(inner, "epsilon", 0.0) or 0.0),
                "betas": tuple(
                    float(b)
                    for n in ("beta_1", "beta_2")
                    if (b := getattr(inner, n, None)) is not None
                ),
            }
        ]


def watch(
    patches: Patches,
    before: Callable[[Any, Any, Any], None],
    after: Callable[[Any, Any, Any], None],
) -> None:
    """Wrap `BaseOptimizer.apply`; does nothing where keras has no such class or another backend."""
    try:
        from keras.src.backend import backend
        from keras.src.optimizers.base_optimizer import BaseOptimizer
    except ImportError:
        return
    if backend() != "torch":
        return
    known: WeakKeyDictionary[Any, KerasOptimizer] = WeakKeyDictionary()
    apply = BaseOptimizer.apply

    @functools.wraps(apply)
    def watched(this: Any, *args: Any, **kwargs: Any) -> Any:
        if this not in known:
            kind = type(type(this).__name__, (KerasOptimizer,), {})  # its name is the record's
            known[this] = kind(this)
        seen = known[this]
        before(seen, (), {})
        result = apply(this, *args, **kwargs)
        after(seen, (), {})
        return result

    patches.replace(BaseOptimizer, "apply", watched)
