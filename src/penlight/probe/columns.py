"""Are the columns that a trained model is asked about on the scale of those it was trained on?

As when a scaler is fitted on the training rows and never put to the others. Each column counts for
itself, and no targets are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from penlight.core import facts as f
from penlight.probe.models import Root
from penlight.probe.rows import Rows
from penlight.probe.scales import given
from penlight.probe.state import State

FEWEST, MOST = 4, 512  # columns: two or three may be a grid that is drawn
ROWS = 50  # that are judged together, at least; so many are asked at once, or one after the other
LOOKED = 1024  # rows of a batch that are looked at
GROUPS = 64
TRAINED = 200  # rows of the training behind its means
MOVED = 0.3  # of a column's spread in training, that its mean is off ...
WIDER = 1.25  # ... and so many times its spread is wider or narrower: then it is foreign
NEARLY = 0.8  # of the columns foreign: the rows are; under one minus that they are usual


@dataclass
class Asked:
    """Rows given to one model without gradient, in groups.

    Attributes:
        rows, total, squares: of the group that is being filled; the sums are per column.
        groups: rows, means and mean squares of those that are full.
        step: training steps done at the newest.
    """

    rows: int = 0
    total: Tensor | None = None
    squares: Tensor | None = None
    groups: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)
    step: int = 0


class Columns:
    """Compares columns in training and afterwards."""

    def __init__(self, state: State, rows: Rows) -> None:
        self.state = state
        self.rows = rows
        self.asked: dict[str, Asked] = {}

    def evaluated(self, root: Root, args: Any) -> None:
        """Take in a batch that came without gradient."""
        x = given(self.state, args)
        if x is None or x.dim() != 2 or not FEWEST <= x.shape[1] <= MOST:
            return
        asked = self.asked.setdefault(root.label, Asked())
        if len(asked.groups) >= GROUPS:
            return
        x = x.detach()[:LOOKED].double()
        total, squares = x.sum(0), x.square().sum(0)
        if asked.total is None or asked.squares is None or asked.total.shape != total.shape:
            asked.rows, asked.total, asked.squares = 0, torch.zeros_like(total), 0 * squares
        asked.rows += len(x)
        asked.total += total
        asked.squares += squares
        asked.step = self.state.step
        if asked.rows >= ROWS:
            mean, square = asked.total / asked.rows, asked.squares / asked.rows
            asked.groups.append((asked.rows, mean.cpu(), square.cpu()))
            asked.rows, asked.total, asked.squares = 0, None, None

    def finish(self) -> None:
        """Write what was foreign."""
        for label, asked in self.asked.items():
            _, trained = self.rows.moments.get(label, (None, None))
            if trained is None or trained.entries < TRAINED or len(trained.shape) != 2:
                continue
            found = trained.spread()
            if found is not None:
                fact = compared(found[0].cpu(), found[1].cpu(), asked)
                if fact is not None:
                    self.state.write(replace(fact, root=label, trained=trained.rows))


def compared(mean: Tensor, std: Tensor, asked: Asked) -> f.AskedColumns | None:
    """What was asked beside (columns,) means and spreads in training; None: nothing foreign."""
    varies = std > 1e-6 * (1 + mean.abs())
    usual = between = rows = 0
    foreign = []  # median mean and spread of each such group
    for count, own, square in asked.groups:
        if own.shape != mean.shape or not bool(own.isfinite().all()):
            continue
        spread = (square - own.square()).clamp_min(0).sqrt()
        off = ((own - mean).abs() / std)[varies]
        times = (spread / std)[varies]
        strange = (off > MOVED) & ((times > WIDER) | (times < 1 / WIDER))
        share = float(strange.double().mean()) if len(strange) else 0.5
        if share >= NEARLY:
            rows += count
            foreign.append((float(own[varies].median()), float(spread[varies].median())))
        elif share > 1 - NEARLY:
            between += 1
        else:
            usual += 1
    if not foreign:
        return None
    return f.AskedColumns(
        columns=int(varies.sum()),
        trained_mean=float(mean[varies].abs().max()),
        trained_low=float(std[varies].min()),
        trained_high=float(std[varies].max()),
        usual=usual,
        between=between,
        foreign=len(foreign),
        rows=rows,
        mean=sum(m for m, _ in foreign) / len(foreign),
        std=sum(s for _, s in foreign) / len(foreign),
        step=asked.step,
    )
