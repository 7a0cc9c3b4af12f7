"""Follows what one model makes and another one judges: a generator and its critic.

A training pass whose input is the very tensor that another model has just given is fed by that
model; its other passes are fed by the data. Of both kinds a few newest batches are kept, as
copies of at most some hundred rows. After the training it is asked whether what is made is as
varied as the data (exam `spread`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from penlight.core import facts as f
from penlight.probe.models import Root
from penlight.probe.state import State, first_tensor, measurable
from penlight.signals.statistics import matrix

ROWS = 128  # of a batch
BATCHES = 6  # newest ones of each kind
WIDTH = 1024  # numbers of a row: of a longer one every second, third, ...
RADIUS = 3.0  # times the 99% quantile of the distances between neighbours in the data
FEWEST = 64  # rows of each kind


@dataclass
class Judge:
    """What one model was fed.

    Attributes:
        made: newest batches that another model gave.
        given: newest batches that came from elsewhere.
        maker: name of that other model.
        step: training steps done when the newest was made.
    """

    made: deque[Tensor] = field(default_factory=lambda: deque(maxlen=BATCHES))
    given: deque[Tensor] = field(default_factory=lambda: deque(maxlen=BATCHES))
    maker: str = ""
    step: int = 0


class Flows:
    """Training passes by model, and who feeds whom."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.outputs: dict[int, tuple[int, str, tuple[int, ...]]] = {}  # by address
        self.judges: dict[str, Judge] = {}

    def passed(self, root: Root, args: Any, output: Tensor) -> None:
        """A forward pass of a looked-at step has ended, with or without gradient."""
        x = first_tensor(args)
        if x is not None and x.dim() > 1 and x.is_floating_point() and measurable(x):
            source = self.outputs.get(x.data_ptr())
            if source is not None and source[0] == self.state.step and source[2] == tuple(x.shape):
                if source[1] != root.label:
                    judge = self.judges.setdefault(root.label, Judge())
                    judge.made.append(thinned(x))
                    judge.maker, judge.step = source[1], self.state.step
            elif not x.requires_grad:
                self.judges.setdefault(root.label, Judge()).given.append(thinned(x))
        if output.dim() > 1 and output.is_floating_point():
            if len(self.outputs) > 2 * BATCHES:
                self.outputs.clear()
            key = output.data_ptr()
            self.outputs[key] = (self.state.step, root.label, tuple(output.shape))

    def finish(self) -> None:
        """Compare what was made with what was given."""
        for name, judge in self.judges.items():
            if not judge.maker:
                continue
            rows = [matrix(torch.cat(list(kind))) for kind in (judge.given, judge.made) if kind]
            if len(rows) < 2 or rows[0].shape[1] != rows[1].shape[1]:
                continue
            values = spread(*rows)
            if values:
                values |= {"maker": judge.maker, "judge": name}
                self.state.write(f.Exam(name="spread", step=judge.step, values=values))


def thinned(x: Tensor) -> Tensor:
    """A copy of some rows as a matrix."""
    rows = x.detach()[:ROWS]
    flat = rows.flatten(1) if rows.dim() > 1 else rows[:, None]
    return flat[:, :: max(1, -(-flat.shape[1] // WIDTH))].clone()


def spread(given: Tensor, made: Tensor) -> dict[str, Any]:
    """How much of the data's variety is in what was made.

    Returns:
        "coverage", the share of the data's rows that have a made one within the radius; that of
        another half of the data, "own"; "std", the spread of what was made over that of the data;
        "nearest", the median distance between neighbours, made ones over the data's.
    """
    given, made = (x[x.isfinite().all(1)] for x in (given, made))
    if len(given) < FEWEST or len(made) < FEWEST:
        return {}
    half = len(given) // 2
    a, b = given[0::2][:half], given[1::2][:half]
    n = min(len(made), half)
    c = made[torch.linspace(0, len(made) - 1, n).round().long()]
    to_own, to_made = torch.cdist(a, b).amin(1), torch.cdist(a, c).amin(1)
    radius = RADIUS * float(to_own.quantile(0.99))
    deviation = float(given.std(0).square().sum().sqrt())
    if not radius > 0 or not deviation > 0:
        return {}
    between = torch.cdist(c, c)
    between.fill_diagonal_(torch.inf)
    return {
        "coverage": float((to_made < radius).double().mean()),
        "own": float((to_own < radius).double().mean()),
        "std": float(made.std(0).square().sum().sqrt()) / deviation,
        "nearest": float(between.amin(1).median() / to_own.median().clamp_min(1e-30)),
        "rows": n,
    }
