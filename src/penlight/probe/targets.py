"""What the targets at one loss are like, counted over its first batches, and some later ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from penlight.core import facts as f
from penlight.signals.predictions import BINARY, CLASSES, MANY, ROWS

BATCHES = 64  # that are counted
COLUMNS = 64  # of a target
GOLDEN = (5**0.5 - 1) / 2
TINY = 1e-12  # least variance that is divided by


@dataclass
class Moments:
    """Of the values of each column, over `n` rows."""

    n: int
    total: Tensor
    squares: Tensor
    away: Tensor  # sum of the distances from `middle`
    middle: Tensor  # median of the first batch
    low: float
    high: float


@dataclass
class Targets:
    """The targets seen at a loss.

    Attributes:
        single: batches of several rows that had one value alone.
        ignored: share of class indices that the loss leaves out.
        multi_hot: share of target rows of a softmax that name several classes, None: none seen.
    """

    batches: int = 0
    single: int = 0
    counts: dict[float, int] = field(default_factory=dict)
    ignored: float = 0.0
    multi_hot: float | None = None
    _moments: Moments | None = None
    _newest: Tensor | None = None  # means of the columns in a later batch

    def add(self, objective: f.Objective, y: Tensor) -> None:
        """Take in the targets of one batch."""
        if self.batches >= BATCHES or y.numel() == 0:
            return
        self.batches += 1
        if objective.function in CLASSES and not y.is_floating_point():
            rows = y.reshape(-1, 1)
            ignore = objective.ignore_index
            everything = len(rows)
            rows = rows[rows[:, 0] != ignore] if ignore is not None else rows
            share = 1 - len(rows) / everything
            self.ignored += (share - self.ignored) / self.batches
        elif objective.function in CLASSES and y.dim() > 1 and y.shape[1] > 1:
            rows = y.argmax(1).reshape(-1, 1)
            self._several(y)
        else:
            rows = columns(y)
        rows = rows[:ROWS].double()
        m = self._moments
        if rows.shape[0] == 0 or (m is not None and m.total.shape[0] != rows.shape[1]):
            return
        if m is None:
            zero = torch.zeros_like(rows[0])
            middle = rows.median(0).values
            m = self._moments = Moments(0, zero, zero, zero, middle, math.inf, -math.inf)
        m.n += rows.shape[0]
        m.total = m.total + rows.sum(0)
        m.squares = m.squares + rows.square().sum(0)
        if objective.function == "l1_loss":
            m.away = m.away + (rows - m.middle).abs().sum(0)
        m.low, m.high = min(m.low, float(rows.min())), max(m.high, float(rows.max()))
        values, counts = rows.unique(return_counts=True)
        if rows.shape[1] == 1 and len(values) == 1 and rows.shape[0] > 1:
            self.single += 1
        if len(self.counts) <= MANY:
            for v, c in zip(values.tolist()[: MANY + 1], counts.tolist(), strict=False):
                self.counts[v] = self.counts.get(v, 0) + c

    def later(self, y: Tensor) -> None:
        """Take note of a batch that is not counted: targets that a model makes itself move."""
        if y.is_floating_point() and y.numel():
            self._newest = columns(y.detach())[:ROWS].double().mean(0)

    def _moved(self, mean: Tensor, std: Tensor) -> float:
        if self._newest is None or self._newest.shape != mean.shape:
            return 0.0
        off, spread = (self._newest - mean).square().mean(), std.square().mean()
        return float((off / spread.clamp_min(TINY)).sqrt())

    def _several(self, y: Tensor) -> None:
        if y.dim() != 2 or not bool(((y == 0) | (y == 1)).all()):
            return
        share = float((y.sum(1) > 1).double().mean())  # rows without a 1 may be masked
        known = self.multi_hot or 0.0
        self.multi_hot = known + (share - known) / self.batches

    def fact(self, objective: f.Objective) -> f.Targets | None:
        """All that was seen, None: nothing."""
        m = self._moments
        if m is None:
            return None
        mean = m.total / m.n
        std = (m.squares / m.n - mean.square()).clamp_min(0).sqrt()
        few = len(self.counts) <= MANY
        integral = all(v == int(v) for v in self.counts if math.isfinite(v)) and few
        classes: tuple[int, ...] = ()
        entropy = None
        labelled = objective.function in CLASSES or (
            objective.function in BINARY and set(self.counts) <= {0.0, 1.0}
        )
        if labelled and integral and m.low >= 0 and m.high < MANY:
            classes = tuple(self.counts.get(float(c), 0) for c in range(int(m.high) + 1))
            whole = sum(classes)
            entropy = -sum(c / whole * math.log(c / whole) for c in classes if c)
        return f.Targets(
            objective=objective.site,
            samples=m.n,
            dtype=objective.target_dtype,
            integral=integral,
            min=m.low,
            max=m.high,
            mean=tuple(mean.tolist()),
            std=tuple(std.tolist()),
            deviation=tuple((m.away / m.n).tolist()) if objective.function == "l1_loss" else (),
            classes=classes,
            distinct=len(self.counts) if few else None,
            sorted_share=self.single / self.batches if len(self.counts) > 1 else None,
            entropy=entropy,
            ignored=self.ignored,
            moved=self._moved(mean, std),
        )


def columns(y: Tensor) -> Tensor:
    """Some columns of a batch of targets, a row for each sample.

    Of masks and pictures they are spread over all of it, where the corner is background alone: by
    the golden ratio, which no width of a picture is a multiple of.
    """
    if y.dim() <= 1:
        return y.reshape(-1, 1)
    flat = y.reshape(y.shape[0], -1)
    width = flat.shape[1]
    if width <= COLUMNS:
        return flat
    return flat[:, [int(k * GOLDEN % 1 * width) for k in range(COLUMNS)]]
