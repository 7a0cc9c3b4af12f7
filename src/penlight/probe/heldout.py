"""Learns from one half of the captured rows and asks about the other, on copies.

What was learnt by a rule holds for rows that were not trained on; what was learnt by heart does
not.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from time import thread_time
from typing import Any

import torch
from torch import Tensor, nn

from penlight.probe.capture import Batch, Capture
from penlight.probe.rows import fingerprints
from penlight.probe.stateless import Stateless
from penlight.probe.stateless import widened as widened_keras
from penlight.signals.predictions import BINARY, CLASSES

ROWS = 2048  # distinct rows that take part at most
FEWEST_ROWS = 100
STEPS = 400  # steps a half is learnt from at most
FEWEST = 40  # fewer than this many say nothing
PILOT = 10  # steps from which the time of one is estimated
LOOKS = 8  # times at which the other half is asked
RARE = 0.01  # keeps a class that one half lacks from an infinite loss
SHARES = "nll_of_shares"  # cross-entropy of a model that ends in a softmax
NARROW = 16  # units: the widest hidden layer that counts as narrow
WIDE = 64  # units that narrow layers get instead

Arm = Callable[[nn.Module], tuple[nn.Module, Any]]


class HeldOut:
    """Two halves of the rows that were captured.

    Args:
        capture: knows the loss.
        arm: makes a copy of a model and an optimiser for it, None where there is no such.
        batches: where the rows come from.
    """

    def __init__(self, capture: Capture, arm: Arm, batches: list[Batch]) -> None:
        self.capture = capture
        self.arm = arm
        self.size = len(batches[0].target) if batches[0].target.dim() else 0
        self.halves = _halves(batches)

    def steps(self, model: nn.Module, seconds: float) -> int:
        """How many steps can be learnt from in this time; 0: too few to say anything."""
        if not self.halves:
            return 0
        begun = thread_time()
        self._learn(model, PILOT, looks=1)
        fit = int(min(STEPS, PILOT * seconds / max(thread_time() - begun, 1e-9)))
        return fit if fit >= FEWEST else 0

    def learn(self, model: nn.Module, steps: int) -> dict[str, Any]:
        """What one half says about the other; {} when the loss blows up.

        Values: loss on the half that is asked before ("start"), its lowest ("held"), and of the
        best answer that does not look ("guess"); loss on the half that was learnt from at the end
        ("seen"); "steps" and "rows", those that were asked.

        Args:
            model: with the weights to begin from; is not changed.
            steps: to learn for.
        """
        curve, seen = self._learn(model, steps)
        values = {
            "start": curve[0],
            "held": min(curve),
            "seen": seen,
            "guess": self._guess(),
        }
        if not all(map(math.isfinite, (*curve, *values.values()))):
            return {}
        return {**values, "steps": steps, "rows": len(self.halves[1].target)}

    def _learn(self, model: nn.Module, steps: int, looks: int = LOOKS) -> tuple[list[float], float]:
        """Losses on the other half along the way, and the last one on the own half."""
        own, other = self.halves
        arm, optimizer = self.arm(model)
        if optimizer is None:
            return [math.nan], math.nan
        curve = [self._ask(arm, other)]
        every = max(1, steps // looks)
        self.capture.train(arm)
        for done, rows in enumerate(_batches(len(own.target), self.size, steps), start=1):
            optimizer.zero_grad()
            loss = self.capture.loss(arm, _pick(own, rows))
            if not math.isfinite(float(loss)):
                return curve, math.nan
            self.capture.step(optimizer, loss)
            if done % every == 0:
                curve.append(self._ask(arm, other))
                self.capture.train(arm)
        return curve, self._ask(arm, own)

    def _ask(self, model: nn.Module, rows: Batch) -> float:
        model.eval()
        with torch.no_grad():
            return float(self.capture.loss(model, rows))

    def _guess(self) -> float:
        """Loss on the other half of the answer that serves the own half best without looking."""
        own, other = self.halves
        answer = _constant(own)
        if answer is None:
            return math.nan
        return float(self.capture.compare(answer.expand(other.shape).clone(), other))


def _halves(batches: list[Batch]) -> tuple[Batch, ...]:
    """The distinct rows of some batches in two halves; () where rows cannot be told apart."""
    first = batches[0]
    for b in batches:
        n = len(b.args[0])
        alike = all(a.shape[1:] == c.shape[1:] for a, c in zip(b.args, first.args, strict=False))
        rows = all(len(a) == n for a in b.args) and b.target.dim() and len(b.target) == n
        weights = any(isinstance(v, Tensor) and v.dim() for v in b.kwargs.values())
        fits = b.shape[:1] == (n,) and b.shape[1:] == first.shape[1:]
        by_class = b.name in CLASSES and b.function is None
        if not (alike and rows and fits) or (weights and not by_class):
            return ()
    args = tuple(torch.cat(column) for column in zip(*(b.args for b in batches), strict=True))
    target = torch.cat([b.target for b in batches])
    places = {mark: i for i, mark in enumerate(fingerprints(args[0]))}
    kept = torch.tensor(list(places.values()))
    if len(kept) < FEWEST_ROWS:
        return ()
    order = kept[torch.randperm(len(kept), generator=torch.Generator().manual_seed(0))][:ROWS]
    whole = replace(first, args=args, target=target)
    return _pick(whole, order[: len(order) // 2]), _pick(whole, order[len(order) // 2 :])


def _pick(batch: Batch, rows: Tensor) -> Batch:
    return replace(
        batch,
        args=tuple(a[rows] for a in batch.args),
        target=batch.target[rows],
        shape=(len(rows), *batch.shape[1:]),
    )


def _batches(rows: int, size: int, count: int) -> Iterator[Tensor]:
    """`count` batches of at most half of the rows, through the rows in ever new orders."""
    dice = torch.Generator().manual_seed(1)
    size = max(1, min(size, rows // 2))
    while count > 0:
        order = torch.randperm(rows, generator=dice)
        for start in range(0, rows - size + 1, size):
            if count > 0:
                yield order[start : start + size]
            count -= 1


def _constant(rows: Batch) -> Tensor | None:
    """The output that fits the targets best when it is the same for all rows; None: unknown."""
    y, name = rows.target, rows.name
    labels = y.numel() == len(y) and (not y.is_floating_point() or rows.function is not None)
    if name in (*CLASSES, SHARES) and labels:
        if len(rows.shape) != 2 or rows.shape[1] < 2 or bool((y != y.round()).any()):
            return None
        own = y.reshape(-1).long().clamp_min(0)
        counts = torch.bincount(own, minlength=rows.shape[1])[: rows.shape[1]]
        shares = (counts + RARE) / (counts + RARE).sum()
        return shares if name == SHARES else shares.log()
    if name in CLASSES and not y.is_floating_point():
        return None
    if not y.is_floating_point():
        return None
    mean = y.mean(0)
    if name == SHARES:
        return mean.clamp_min(RARE / len(y))
    if name == "cross_entropy":
        return mean.clamp_min(RARE / len(y)).log()
    if name in BINARY:
        share = mean.clamp(RARE / len(y), 1 - RARE / len(y))
        return torch.logit(share) if "logits" in name else share
    if name == "mse_loss":
        return mean
    return y.median(0).values if name in ("l1_loss", "smooth_l1_loss", "huber_loss") else None


def widened(model: nn.Module) -> nn.Module | None:
    """A copy whose narrow hidden layers have room, freshly drawn; None where none is narrow.

    Only for stacks of linear layers: each must take in what the one before it puts out.
    """
    if isinstance(model, Stateless):
        return widened_keras(model, NARROW, WIDE)
    linear = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)]
    chained = all(a.out_features == b.in_features for (_, a), (_, b) in pairwise(linear))
    widths = [m.out_features for _, m in linear[:-1]]
    others = [m for m in model.modules() if m._parameters and not isinstance(m, nn.Linear)]
    if not widths or min(widths) > NARROW or not chained or others:
        return None
    wide = copy.deepcopy(model)
    before = linear[0][1].in_features
    for name, layer in linear:
        last = name == linear[-1][0]
        after = layer.out_features if last else max(WIDE, layer.out_features)
        new = nn.Linear(before, after, bias=layer.bias is not None).to(layer.weight.dtype)
        parent, _, child = name.rpartition(".")
        setattr(wide.get_submodule(parent), child, new)
        before = after
    return wide
