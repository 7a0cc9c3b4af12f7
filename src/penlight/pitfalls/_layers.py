"""Follows the signal through a model's layers: forward from the input, backward from the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from penlight.core.facts import Parameter
from penlight.core.run import Run, Series
from penlight.core.vocabulary import (
    ACT_RMS,
    DEAD_SHARE,
    DEPENDENCE,
    GRAD_NORM,
    OUTPUT_GRAD,
    SATURATED_SHARE,
    ZERO_SHARE,
)

LOOKS = 5  # looks that speak for the start of a run, and for its end
SILENT = 0.99  # share of zeros from which on a layer tells no two inputs apart
NO_LAYER = ("Embedding", "Norm")  # modules with matrices that are no step of the stack


@dataclass(frozen=True)
class Chain:
    """The layers of one model that hold weight matrices, from input to output."""

    root: str
    layers: tuple[str, ...]
    weights: tuple[str, ...]  # name of each layer's (first) weight matrix
    light: tuple[Series, ...]  # ||dL/dz|| over that of the last layer, one for each layer
    rms: tuple[Series, ...]
    dependence: tuple[Series, ...]

    def __len__(self) -> int:
        return len(self.layers)

    def fed(self, run: Run) -> float | None:
        """Size of what the first layer is fed at the start, to judge by what it makes of it.

        With random weights an output is as large as the input times the norm of one unit's
        weights, and biases only add to it: an upper bound.
        """
        weight = next((p for p in run.parameters if p.name == self.weights[0]), None)
        if weight is None or not self.rms[0]:
            return None
        row = math.hypot(weight.mean, weight.std) * math.sqrt(weight.fan_in)
        return float(self.rms[0].values[0]) / row if row > 0 else None

    def first_gradient(self, run: Run) -> float | None:
        """Root mean square of an entry of the first layer's gradient, over the first looks."""
        norm = early(run.series(GRAD_NORM, self.weights[0]).finite)
        size = next((math.prod(p.shape) for p in run.parameters if p.name == self.weights[0]), 1)
        return norm / math.sqrt(max(size, 1)) if norm is not None else None


@dataclass(frozen=True)
class Idle:
    """The layer with the largest share of units that do not react, at the end."""

    share: float
    site: str
    signal: str


def idle_layer(run: Run) -> Idle | None:
    """Saturated or dead units; of single zeros, half of which are normal, only whole layers."""
    found = [
        Idle(share, series.site, signal.name)
        for signal in (SATURATED_SHARE, DEAD_SHARE, ZERO_SHARE)
        for series in run.every(signal)
        if (share := late(series.finite)) is not None
        and (signal is not ZERO_SHARE or share > SILENT)
    ]
    return max(found, key=lambda x: x.share, default=None)


def chains(run: Run) -> list[Chain]:
    """Every model's chain of at least two layers whose gradients were seen."""
    heavy: dict[tuple[str, str], str] = {}
    for p in run.parameters:
        if _is_matrix(p):
            heavy.setdefault((p.root, p.module), p.name)
    found = []
    for root in dict.fromkeys(m.root for m in run.modules):
        names = tuple(
            m.name
            for m in run.modules
            if m.root == root and (root, m.name) in heavy and run.series(OUTPUT_GRAD, m.name)
        )
        if len(names) > 1:
            found.append(
                Chain(
                    root,
                    names,
                    tuple(heavy[root, n] for n in names),
                    _light(run, names),
                    tuple(run.series(ACT_RMS, n).finite for n in names),
                    tuple(run.series(DEPENDENCE, n).finite for n in names),
                )
            )
    return found


def early(series: Series) -> float | None:
    """Median of the first looks; None when there are none."""
    return float(np.median(series.values[:LOOKS])) if series else None


def late(series: Series) -> float | None:
    """Median of the last looks; None when there are none."""
    return float(np.median(series.values[-LOOKS:])) if series else None


def fold(factor: float) -> str:
    """A growth by a factor of 1 or more: `2.5-fold`, `2,800-fold`, `10^12-fold`."""
    if not math.isfinite(factor) or factor >= 1e9:
        return f"10^{math.floor(math.log10(factor))}-fold" if math.isfinite(factor) else "endlessly"
    rounded = float(f"{factor:.2g}")
    return f"{rounded:,.0f}-fold" if rounded >= 10 else f"{rounded:g}-fold"


def owner(series: Series) -> str:
    """The module an activation belongs to: "net.0" of "net.0 > tanh #2"."""
    return series.site.partition(" > ")[0]


def span(series: Series) -> tuple[int, int] | None:
    """First and last step of a series, for evidence."""
    return (int(series.steps[0]), int(series.steps[-1])) if series else None


def by_degrees(values: tuple[float | None, ...], largest_share: float) -> bool:
    """Whether a signal falls from one end of a chain to the other bit by bit.

    False when a few layers (one, and one more for every four) make more than `largest_share` of
    the whole fall (in logarithms): that is a cut or a broken layer, not a product of many factors.
    Values run in the direction of the fall; zeros and gaps end what could be measured.
    """
    logs = []
    for value in values:
        if value is None or not value > 0:
            break
        logs.append(math.log(value))
    if len(logs) < 4:
        return False
    falls = np.sort(-np.diff(logs))
    few = max(1, len(falls) // 4)
    whole = logs[0] - logs[-1]
    return whole > 0 and float(falls[-few:].sum()) <= largest_share * whole


def _light(run: Run, names: tuple[str, ...]) -> tuple[Series, ...]:
    lamp = run.series(OUTPUT_GRAD, names[-1]).finite
    found = []
    for name in names:
        own = run.series(OUTPUT_GRAD, name).finite
        steps, left, right = np.intersect1d(own.steps, lamp.steps, return_indices=True)
        lit = lamp.values[right] > 0
        values = own.values[left][lit] / lamp.values[right][lit]
        found.append(Series("light", name, steps[lit], values))
    return tuple(found)


def _is_matrix(p: Parameter) -> bool:
    return len(p.shape) > 1 and bool(p.module) and not any(w in p.module_type for w in NO_LAYER)
