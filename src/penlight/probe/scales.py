"""Is a trained model asked about inputs of quite another size than those that it was trained on?

As when pictures are divided by 255 in training and not behind it. No targets are needed.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from penlight.core import facts as f
from penlight.probe.models import Root
from penlight.probe.state import State, first_tensor, measurable

FAR = 20.0  # times larger or smaller than any training batch that was looked at
NEAR = 3.0  # within it a batch is of the usual size
ROWS = 512  # of a batch that are looked at
KEPT = 256  # newest training batches whose numbers wait to be read


@dataclass
class Sizes:
    """Root mean squares of one model's batches.

    Attributes:
        low, high: of so many training batches ("batches"), the smallest and the largest.
        usual: evaluated batches of such a size.
        between: those neither usual nor far off: where there are some, sizes are spread, as along
            the way of a sampler.
        far: those far off, with so many rows; step: training steps done at the newest.
        spread: the smallest and the largest of them.
    """

    low: float
    high: float
    batches: int = 0
    usual: int = 0
    between: int = 0
    far: int = 0
    rows: int = 0
    step: int = 0
    spread: tuple[float, float] = (0.0, 0.0)


class Scales:
    """Compares the sizes of inputs in training and afterwards."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.sizes: dict[str, Sizes] = {}
        # Numbers of training batches stay on their device until somebody asks: nobody waits.
        self.waiting: deque[tuple[str, Tensor]] = deque(maxlen=KEPT)

    def trained(self, root: Root, args: Any) -> None:
        """Take in a training batch of a looked-at step."""
        x = given(self.state, args)
        if x is not None:
            self.waiting.append((root.label, numbers(x)))

    def evaluated(self, root: Root, args: Any) -> None:
        """Take in a batch that came without gradient."""
        self._read()
        known = self.sizes.get(root.label)
        x = given(self.state, args) if known is not None else None
        size = rms(numbers(x)) if x is not None else None
        if known is None or x is None or size is None:
            return
        away = max(size / known.high, known.low / size)
        known.usual += away < NEAR
        known.between += NEAR <= away < FAR
        if away >= FAR:
            low, high = known.spread if known.far else (size, size)
            known.spread = min(low, size), max(high, size)
            known.far += 1
            known.rows += len(x)
            known.step = self.state.step

    def _read(self) -> None:
        """Read the numbers of the training batches that wait."""
        while self.waiting:
            label, waiting = self.waiting.popleft()
            size = rms(waiting)
            if size is not None:
                known = self.sizes.setdefault(label, Sizes(size, size))
                known.low, known.high = min(known.low, size), max(known.high, size)
                known.batches += 1

    def finish(self) -> None:
        """Write what was far off."""
        for root, known in self.sizes.items():
            if known.far:
                self.state.write(
                    f.Scales(
                        root=root,
                        trained_low=known.low,
                        trained_high=known.high,
                        batches=known.batches,
                        usual=known.usual,
                        between=known.between,
                        far=known.far,
                        rows=known.rows,
                        low=known.spread[0],
                        high=known.spread[1],
                        step=known.step,
                    )
                )


def given(state: State, args: Any) -> Tensor | None:
    """The input of a pass; None for ids and single numbers, and where there is no room."""
    x = first_tensor(args)
    if x is None or x.dim() < 2 or x.numel() < 2 or not x.is_floating_point():
        return None
    return x if measurable(x) and state.room(keep=0.0) else None


def numbers(x: Tensor) -> Tensor:
    """Mean square and standard deviation of a batch, on its own device."""
    x = x.detach()[:ROWS].float()
    return torch.stack([x.square().mean(), x.std()])


def rms(read: Tensor) -> float | None:
    """Root mean square from these; None where all is one value, or it is not finite."""
    square, spread = read.tolist()
    return math.sqrt(square) if spread > 0 and math.isfinite(square) else None
