"""Is a recurrent layer's state handed on from one batch to the next, whose rows are others?

And is there any time at all: are its sequences longer than one step?

The state is looked at where each batch comes from a DataLoader that shuffles: then nothing in a
batch goes on in the next one, row by row. The state that a layer begins a step with is compared by
value with the one that it ended the step before with.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from penlight.core import facts as f
from penlight.probe.loading import Loading
from penlight.probe.state import State, first_tensor

LAYERS = (nn.RNNBase, nn.RNNCellBase)
BATCHED = 3  # dimensions: rows, time steps, features in some order
LOOKS = 24  # at one layer; each reads a number back


class Carried:
    """States of recurrent layers across the steps that are looked at."""

    def __init__(self, state: State, loading: Loading) -> None:
        self.state = state
        self.loading = loading
        self.ends: dict[str, tuple[int, int, float]] = {}  # step, fetches by then, sum of the state
        self.begun: dict[str, int] = {}  # newest step that a layer has begun
        self.counts: dict[str, list[int]] = {}  # looks, and those with the old state
        self.calls: dict[str, list[int]] = {}  # calls, and those with one step and no state
        self.sources: dict[str, tuple[str, str]] = {}

    def called(self, site: str, module: nn.Module, args: Any, output: Any) -> None:
        """A recurrent layer has run in a training pass of a looked-at step."""
        if not isinstance(module, LAYERS):
            return
        looks = self.counts.setdefault(site, [0, 0])
        calls = self.calls.setdefault(site, [0, 0])
        if not calls[0]:
            self.sources[site] = type(module).__name__, self.state.models.source(module)
        step, ended = self.state.step, self.ends.get(site)
        begins = self.begun.get(site) != step
        self.begun[site] = step
        calls[0] += 1
        calls[1] += begins and lone(module, args)
        if looks[0] >= LOOKS:
            return
        if begins:
            fresh = ended is not None and ended[1] < self.loading.taken and self.loading.shuffled
            if ended is not None and fresh and ended[0] == step - 1:
                given = first_tensor(args[1]) if len(args) > 1 else None
                looks[0] += 1
                looks[1] += given is not None and total(given) == ended[2] != 0.0
        left = output[1] if isinstance(module, nn.RNNBase) else output
        last = first_tensor(left)
        if last is not None:
            self.ends[site] = step, self.loading.taken, total(last)

    def finish(self) -> None:
        """Write what was found."""
        for site, (looks, carried) in self.counts.items():
            calls, alone = self.calls[site]
            if looks or alone == calls:
                kind, source = self.sources[site]
                self.state.write(
                    f.Carried(
                        site=site, type=kind, looks=looks, carried=carried, calls=calls,
                        lone=alone, source=source,
                    )
                )  # fmt: skip


def total(x: Tensor) -> float:
    """Sum of all entries: equal for equal states, and hardly ever for others."""
    return float(x.detach().double().sum())


def lone(module: nn.Module, args: Any) -> bool:
    """Whether a layer is given sequences of one step, and no state from before them."""
    x = args[0] if args else None
    if not isinstance(module, nn.RNNBase) or not isinstance(x, Tensor) or x.dim() != BATCHED:
        return False
    return x.shape[1 if module.batch_first else 0] == 1 and all(a is None for a in args[1:])
