"""Statistics of what the model is fed, and recognition of rows seen in training.

A row's fingerprint is its projection on one fixed direction, in float64: equal rows give equal
fingerprints, and different rows differ with near certainty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from penlight.core import facts as f
from penlight.probe import keras
from penlight.probe.models import Root
from penlight.probe.schedule import EXAM, SPARED
from penlight.probe.state import State, first_tensor, measurable
from penlight.signals.statistics import direction

if TYPE_CHECKING:
    from penlight.probe.offenders import Offenders

SAMPLES = 4096  # rows behind the input statistics
COLUMNS = 512  # features whose second-moment matrix is kept
KNOWN = 200_000  # training rows remembered at most
WIDTH = 8192  # leading entries of a row that enter its fingerprint
NORMS = (
    "BatchNorm",
    "LayerNorm",
    "InstanceNorm",
    "GroupNorm",
    "RMSNorm",
    "Rescaling",
    "Normalization",
)


@dataclass
class Moments:
    """Running sums over the rows of one model's input."""

    shape: tuple[int, ...]
    dtype: str
    rows: int = 0
    entries: int = 0  # values per feature
    total: Tensor | None = None
    squares: Tensor | None = None
    low: Tensor | None = None
    high: Tensor | None = None
    second: Tensor | None = None
    zeros: float = 0.0
    integral: bool = True
    nonfinite: int = 0
    seen: set[float] = field(default_factory=set)
    repeated: int = 0
    done: bool = False

    def spread(self) -> tuple[Tensor, Tensor] | None:
        """(features,) means and standard deviations; None where nothing finite was seen."""
        if self.total is None or self.squares is None:
            return None
        mean = self.total / self.entries
        return mean, (self.squares / self.entries - mean.square()).clamp_min(0).sqrt()


class Rows:
    """Keeps input moments for each root and the fingerprints of training rows."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.moments: dict[str, tuple[Root, Moments]] = {}
        self.known: set[float] = set()
        # Rows evaluated since the start and those of them that were trained on, ...
        self.evaluated_rows = (0, 0)
        self.told = (0, 0)  # ... when somebody last asked, ...
        self.newest = (0, 0)  # ... and in the newest batch alone.
        self.offenders: Offenders | None = None
        self.fed: Callable[[Root, list[float]], None] | None = None  # told of training rows

    def trained(self, root: Root, args: Any) -> None:
        """Take in the input of one training forward pass."""
        x = self._input(args)
        if x is None:
            return
        prints = fingerprints(x)
        if self.fed is not None:
            self.fed(root, prints)
        if len(self.known) < KNOWN:
            self.known.update(prints)
        self._count(root, x, prints)

    def later(self, root: Root, args: Any) -> None:
        """Take in the input of a training that follows another one, for its statistics alone."""
        x = self._input(args, keep=SPARED)
        if x is not None:
            self._count(root, x, fingerprints(x))

    def _input(self, args: Any, keep: float = EXAM) -> Tensor | None:
        """The rows that a model is given; None where they cannot be read, or time is short."""
        x = first_tensor(args)
        if x is None or x.dim() == 0 or x.numel() == 0 or not self.state.room(keep):
            return None
        return x if measurable(x) else None

    def _count(self, root: Root, x: Tensor, prints: list[float]) -> None:
        entry = self.moments.setdefault(
            root.label, (root, Moments(tuple(x.shape), str(x.dtype).removeprefix("torch.")))
        )
        if not entry[1].done:
            model = root.module
            last = x.dim() > 3 and model is not None and keras.channels_last(model)
            self._add(entry[1], x.movedim(-1, 1) if last else x, prints)
            if entry[1].rows >= SAMPLES:
                entry[1].done = True
                self.state.write(self._fact(*entry))

    def evaluated(self, args: Any) -> None:
        """Take in the input of one gradient-free forward pass."""
        self.newest = (0, 0)
        x = self._input(args)
        if x is None:
            return
        prints = fingerprints(x[:512])
        known = [p in self.known for p in prints]
        self.newest = (len(prints), sum(known))
        if self.offenders is not None:
            self.offenders.leaked(x, known)
        self.evaluated_rows = _plus(self.evaluated_rows, self.newest)

    def pause(self) -> None:
        """Training has paused for an evaluation: what was evaluated before belongs to no pass."""
        self.told = self.evaluated_rows

    def since(self, mark: tuple[int, int] | None) -> tuple[int, int, tuple[int, int]]:
        """Rows evaluated since somebody's last question, those also trained on, the new mark.

        Args:
            mark: what the last call of the same asker returned; None: since anybody's.
        """
        now = self.evaluated_rows
        before = self.told if mark is None else mark
        count, known = now[0] - before[0], now[1] - before[1]
        if not count:
            count, known = self.newest  # somebody else has asked about this batch, too
        self.told = now
        return count, known, now

    def finish(self) -> None:
        """Write the statistics that are not complete yet."""
        for root, moments in self.moments.values():
            if not moments.done and moments.rows:
                self.state.write(self._fact(root, moments))

    def _add(self, m: Moments, x: Tensor, prints: list[float]) -> None:
        x = x.detach()[: SAMPLES - m.rows]
        m.repeated += sum(p in m.seen for p in prints) + len(prints) - len(set(prints))
        m.seen.update(prints)
        wide = x.to(torch.float64) if x.device.type != "mps" else x.float()
        flat = wide.movedim(1, -1).reshape(-1, x.shape[1]) if x.dim() > 3 else (
            wide.reshape(-1, x.shape[-1]) if x.dim() > 1 else wide.reshape(-1, 1)
        )  # fmt: skip
        finite = torch.isfinite(flat)
        bad = int((~finite).sum())
        m.nonfinite += bad
        if bad:
            flat = flat[finite.all(1)]
        m.rows += x.shape[0]
        if flat.numel() == 0:
            return
        if m.total is not None and m.total.shape[0] != flat.shape[1]:
            return
        m.entries += flat.shape[0]
        m.zeros += float((flat == 0).sum())
        m.integral = m.integral and bool((flat == flat.round()).all())
        low, high = flat.amin(0), flat.amax(0)
        m.low = low if m.low is None else torch.minimum(m.low, low)
        m.high = high if m.high is None else torch.maximum(m.high, high)
        m.total = flat.sum(0) + (0 if m.total is None else m.total)
        m.squares = flat.square().sum(0) + (0 if m.squares is None else m.squares)
        if x.dim() == 2 and 1 < flat.shape[1] <= COLUMNS:
            with torch.autocast(x.device.type, enabled=False):
                m.second = flat.T @ flat + (0 if m.second is None else m.second)

    def _fact(self, root: Root, m: Moments) -> f.Inputs:
        found = m.spread()
        if found is None or m.squares is None or m.low is None or m.high is None:
            return f.Inputs(root=root.label, shape=m.shape, samples=m.rows, nonfinite=m.nonfinite)
        n, (mean, std) = m.entries, found
        moving = std > 1e-7 * (m.squares / n).sqrt().clamp_min(1e-30)
        kept = std[moving]
        first = first_layer(root)
        ratio = offset = largest = condition = None
        if kept.numel():
            ratio = float(kept.max() / kept.min())
            offset = float((mean[moving].abs() / kept).max())
            largest = float(kept.max())
        if m.second is not None and kept.numel() > 1 and m.entries > 2 * kept.numel():
            block = (m.second / n)[moving][:, moving]
            values = torch.linalg.eigvalsh(block.cpu())
            if float(values[0]) > 0:
                condition = float(values[-1] / values[0])
        return f.Inputs(
            root=root.label,
            shape=m.shape,
            dtype=m.dtype,
            samples=m.rows,
            features=int(mean.numel()),
            min=float(m.low.min()),
            max=float(m.high.max()),
            mean=float(mean.mean()),
            std=float(
                (m.squares.sum() / (n * mean.numel()) - mean.mean().square()).clamp_min(0).sqrt()
            ),
            integral=m.integral,
            constant_features=int((~moving).sum()),
            std_ratio=ratio,
            max_offset=offset,
            largest_feature_std=largest,
            largest_feature_rms=float((m.squares / n).sqrt().max()),
            condition=condition,
            nonfinite=m.nonfinite,
            zero_share=m.zeros / max(n * mean.numel(), 1),
            normalised_first=first is not None and type(first).__name__.startswith(NORMS),
            embedded=isinstance(first, (nn.Embedding, nn.EmbeddingBag))
            or type(first).__name__ == "Embedding"
            or not m.dtype.startswith(("float", "bfloat")),
            repeated_rows=m.repeated / max(m.rows, 1),
        )


def first_layer(root: Root) -> nn.Module | None:
    """The first module, in order of definition, that holds parameters or normalises."""
    model = root.module
    for _, module in keras.named_modules(model) if model is not None else ():
        if keras.own_parameters(module):
            return module
        if type(module).__name__.startswith(NORMS):
            return module
    return None


def fingerprints(x: Tensor) -> list[float]:
    """One number a row of x (dimension 0 are the samples)."""
    if not x.numel():
        return []
    flat = x.detach().reshape(x.shape[0], -1)[:, :WIDTH]
    if flat.is_complex():
        flat = torch.view_as_real(flat).reshape(x.shape[0], -1)
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    along = direction(flat.shape[1], dtype, x.device)
    with torch.autocast(x.device.type, enabled=False):
        values: list[float] = (flat.to(dtype) * along).sum(1).tolist()
    return values


def _plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return a[0] + b[0], a[1] + b[1]
