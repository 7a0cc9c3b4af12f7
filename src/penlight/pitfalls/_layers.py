"""Follows the signal through a model's layers: forward from the input, backward from the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from penlight.core.facts import Parameter
from penlight.core.run import Run, Series
from penlight.core.vocabulary import ACT_RMS, DEPENDENCE, OUTPUT_GRAD, Signal

LOOKS = 5  # looks that speak for the start of a run, and for its end
NO_LAYER = ("Embedding", "Norm")  # modules with matrices that are no step of the stack


@dataclass(frozen=True)
class Chain:
    """The layers of one model that hold weight matrices, from input to output."""

    root: str
    layers: tuple[str, ...]
    light: tuple[Series, ...]  # ||dL/dz|| over that of the last layer, one for each layer
    rms: tuple[Series, ...]
    dependence: tuple[Series, ...]

    def __len__(self) -> int:
        return len(self.layers)


def chains(run: Run) -> list[Chain]:
    """Every model's chain of at least two layers whose gradients were seen."""
    heavy = {p.module for p in run.parameters if _is_matrix(p)}
    found = []
    for root in dict.fromkeys(m.root for m in run.modules):
        names = tuple(
            m.name
            for m in run.modules
            if m.root == root and m.name in heavy and run.series(OUTPUT_GRAD, m.name)
        )
        if len(names) > 1:
            found.append(
                Chain(
                    root,
                    names,
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


def span(series: Series) -> tuple[int, int] | None:
    """First and last step of a series, for evidence."""
    return (int(series.steps[0]), int(series.steps[-1])) if series else None


def by_degrees(values: tuple[float | None, ...], largest_share: float) -> bool:
    """Whether a signal falls from one end of a chain to the other bit by bit.

    False when a single layer makes more than `largest_share` of the whole fall (in logarithms):
    that is a cut or one broken layer, not a product of many factors. Values run in the direction
    of the fall; zeros and gaps count as the end of what could be measured.
    """
    logs = []
    for value in values:
        if value is None or not value > 0:
            break
        logs.append(math.log(value))
    if len(logs) < 4:
        return False
    falls = np.diff(logs)
    whole = logs[0] - logs[-1]
    return whole > 0 and float(-falls.min()) <= largest_share * whole


def layer_rms(run: Run, parameter: Parameter, signal: Signal) -> float | None:
    """Root mean square per entry of a parameter's norm signal over the first looks."""
    norm = early(run.series(signal, parameter.name).finite)
    return norm / math.sqrt(max(math.prod(parameter.shape), 1)) if norm is not None else None


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
