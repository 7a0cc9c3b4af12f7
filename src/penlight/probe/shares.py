"""How much say each target has in a step: padding that counts, batches of unequal size.

Looked at on the steps that the probe looks at anyway, and on a GPU only on the first few calls.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from torch import Tensor

from penlight.core import facts as f
from penlight.probe.state import State
from penlight.signals.predictions import CLASSES

BATCHES = 32  # batches behind the statement about padding
STEPS = 64  # steps behind the one about accumulated batches


@dataclass
class Place:
    """One loss call place."""

    padding: f.Padding | None = None
    batches: int = 0
    totals: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # as in `tails`
    lengths: set[int] = field(default_factory=set)
    sizes: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # by step


class Shares:
    """Counts over all loss call places."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.places: dict[str, Place] = defaultdict(Place)

    def look(
        self,
        fact: f.Objective,
        given: tuple[Tensor, ...],
        x: Tensor,
        y: Tensor,
        options: dict[str, Any],
    ) -> None:
        """Take in one training loss.

        Args:
            fact: what is known of its place.
            given: what the model was fed, as far as known; a sequence is (rows, time, ...).
            x: predictions.
            y: targets.
            options: the arguments of the call.
        """
        place = self.places[fact.site]
        if x.device.type != "cpu" and place.batches >= 8:
            return
        place.batches += 1
        if len(place.sizes) < STEPS or self.state.step in place.sizes:
            place.sizes[self.state.step].append(targets(fact, y))
        if place.batches <= BATCHES and fact.reduction != "none":
            self._padding(place, fact, given, x, y, options)

    def _padding(
        self,
        place: Place,
        fact: f.Objective,
        given: tuple[Tensor, ...],
        x: Tensor,
        y: Tensor,
        options: dict[str, Any],
    ) -> None:
        every = (tails(each, y, fact.function) for each in given)
        found = next((tail for tail in every if tail is not None), None)
        if found is None:
            return
        value, filled, seen = found
        if place.padding is None:
            counted = not (ignored(fact, value, options) or masked(x, y, filled))
            place.padding = f.Padding(objective=fact.site, value=value, counted=counted)
        if value == place.padding.value:
            place.lengths |= set(filled.sum(1).tolist())
            place.totals = [a + b for a, b in zip(place.totals, seen, strict=True)]

    def finish(self) -> None:
        """Write what was counted."""
        for site, place in self.places.items():
            if place.padding is not None:
                rows, entries, padded, inside = place.totals
                self.state.write(
                    f.Padding(
                        objective=site,
                        value=place.padding.value,
                        counted=place.padding.counted,
                        rows=rows,
                        lengths=len(place.lengths),
                        targets=entries,
                        padded=padded,
                        inside=inside,
                    )
                )
            steps = [sizes for sizes in place.sizes.values() if len(sizes) > 1 and all(sizes)]
            if steps:
                counts = [n for sizes in steps for n in sizes]
                self.state.write(
                    f.Accumulation(
                        objective=site,
                        steps=len(steps),
                        batches=int(median(len(sizes) for sizes in steps)),
                        uneven=median(unevenness(sizes) for sizes in steps),
                        fewest=min(counts),
                        most=max(counts),
                    )
                )


def targets(fact: f.Objective, y: Tensor) -> int:
    """How many targets of a call enter the mean."""
    if fact.function not in CLASSES:
        return int(y.numel())
    if y.is_floating_point():
        return int(y.shape[0])
    return int((y != fact.ignore_index).sum()) if fact.ignore_index is not None else y.numel()


def unevenness(sizes: list[int]) -> float:
    """Half the sum of |1/k - share| over k batches: 0 when all are equal, below 1."""
    return sum(abs(1 / len(sizes) - n / sum(sizes)) for n in sizes) / 2


def tails(
    given: Tensor, y: Tensor, function: str
) -> tuple[float, Tensor, tuple[int, int, int, int]] | None:
    """Where the rows of a batch end in one constant, in the targets and in the input alike.

    Returns the target's constant, a (rows, time) mask of the places that only fill the row up,
    and (rows, targets, such places, that constant before them); None where there are no such
    places. The first constant of a row is no filling: it may be the sign that the row ends.
    """
    if given.dim() < 2 or given.shape[0] < 2 or given.shape[1] < 3:
        return None
    rows, time = given.shape[:2]
    per = y.numel() // (rows * time)
    if per * rows * time != y.numel() or per < 1 or (function in CLASSES and per != 1):
        return None
    answers, inputs = y.reshape(rows, time, per), given.reshape(rows, time, -1)
    if given.is_complex() or y.is_complex():
        return None
    value = answers[:, -1, 0].mode().values
    same = (answers == value).all(2)
    tail = same.flip(1).cumprod(1).flip(1).bool()
    token = inputs[:, -1].reshape(-1).mode().values
    empty = (inputs == token).all(2).flip(1).cumprod(1).flip(1).bool()
    filled = tail.clone()
    filled[:, 1:] &= tail[:, :-1]
    filled[:, 0] = False
    if not bool(filled.any()) or bool((filled & ~empty).any()):
        return None
    inside = int((same & ~tail).sum())
    return float(value), filled, (rows, y.numel() // per, int(filled.sum()), inside)


def ignored(fact: f.Objective, value: float, options: dict[str, Any]) -> bool:
    """Whether the loss function itself leaves that target out."""
    weight = options.get("weight")
    if fact.function not in CLASSES:
        return weight is not None
    if fact.ignore_index == value:
        return True
    known = isinstance(weight, Tensor) and weight.dim() == 1 and 0 <= value < weight.numel()
    return known and float(weight[int(value)]) == 0.0  # type: ignore[index]


def masked(x: Tensor, y: Tensor, filled: Tensor) -> bool:
    """Whether the predictions were set to the target at these places: then they cost nothing."""
    if x.shape != y.shape or x.dim() < 2 or tuple(x.shape[:2]) != tuple(filled.shape):
        return False
    return bool((x == y)[filled].all())
