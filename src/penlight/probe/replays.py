"""Experiments on replayed batches about what a model brought along, and what it has lost.

Exams, by name, and their values:
    conventions   loss of the first batches before any step, as they are ("as it is") and with the
                  input turned into another convention, with t of the difference over the batches
    forgotten     loss of the trained model on the first batches of the run ("first") and on the
                  newest ("last"), in evaluation mode, and before any training ("untrained")
    fresh         a few steps on the newest batches from the first weights and from the last ones:
                  loss before and after
    rescaled      errors of the trained model on held-out rows as they came ("own"), with each
                  feature moved to the mean and the spread that it has in training rows
                  ("rescaled"), and on training rows ("training")
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from time import thread_time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from penlight.probe.capture import Batch, UnrepeatableError
from penlight.probe.pairs import Shelf
from penlight.probe.sample import targets

if TYPE_CHECKING:
    from penlight.probe.exam import Exam

BATCHES = 8
FEWEST = 8  # steps: fewer than this many say nothing
STEPS = 40
CLOSE = 0.5  # of the loss of the first weights: a veteran below that can learn
SMALL = 1e-6
HELD = 40  # held-out rows: fewer say nothing
MOST = 256
MOVED, WIDER = 0.5, 1.5  # of a feature's spread: what is within needs no experiment
SHARE = 0.15  # of the time that is left, for one of these experiments without training


def conventions(exam: Exam, begin: nn.Module) -> dict[str, Any]:
    """Would the untouched model do better if its inputs were scaled in another way?"""
    batches = exam.capture.first[:BATCHES]
    x = batches[0].args[0]
    numbers = x.is_floating_point() and not exam.capture.ids
    if not numbers or x.dim() not in (2, 4) or len(batches) < 4:
        return {}
    turns = _turns(exam, batches)
    begin.eval()
    found: dict[str, Any] = {}
    start = thread_time()
    with torch.no_grad():
        plain = _losses(exam, begin, batches)
        dear = (thread_time() - start) * len(turns) > SHARE * exam.left()
        for name, turn in [] if dear else turns.items():
            turned = _losses(exam, begin, [_turned(b, turn) for b in batches])
            if all(map(math.isfinite, turned)):
                found[name] = {"loss": _mean(turned), "t": _paired(plain, turned)}
    return {"as it is": _mean(plain), "turned": found, "batches": len(batches)} if found else {}


def _turns(exam: Exam, batches: list[Batch]) -> dict[str, Callable[[Tensor], Tensor]]:
    """Other conventions for these inputs, by name; none that changes nothing."""
    x = torch.cat(
        [b.args[0] for b in batches if b.args[0].shape[1:] == batches[0].args[0].shape[1:]]
    )
    channels = exam.capture.channels % x.dim() if x.dim() == 4 else 1
    dims = [d for d in range(x.dim()) if d != channels]
    mean, std = x.mean(dims, keepdim=True), x.std(dims, keepdim=True)
    std = torch.where(std > SMALL * (1 + mean.abs()), std, torch.ones_like(std))
    low, high = float(x.min()), float(x.max())
    turns: dict[str, Callable[[Tensor], Tensor]] = {
        "each channel standardised" if x.dim() == 4 else "each feature standardised": (
            lambda v: (v - mean) / std
        )
    }
    if low >= 0 and high > 2:
        turns["divided by 255"] = lambda v: v / 255
    if low >= 0 and high <= 1:
        turns["multiplied by 255"] = lambda v: v * 255
        turns["moved to -1..1"] = lambda v: 2 * v - 1
    if low < 0 and low >= -1 and high <= 1:
        turns["moved to 0..1"] = lambda v: (v + 1) / 2
    if x.dim() == 4 and x.shape[channels] == 3:
        turns["channels in reverse order"] = lambda v: v.flip(channels)
    return turns


def forgotten(exam: Exam, end: nn.Module, begin: nn.Module, late: list[Batch]) -> dict[str, Any]:
    """Does the trained model still know its first batches?"""
    first = exam.capture.first[:BATCHES]
    if late is exam.capture.first or len(late) < FEWEST or len(first) < FEWEST:
        return {}
    start = thread_time()
    end.eval()
    then = exam.judge(end, first)
    if 2 * (thread_time() - start) > SHARE * exam.left():
        return {}
    now = exam.judge(end, late[-BATCHES:])
    begin.eval()
    untrained = exam.judge(begin, first)
    return {
        "first": then,
        "last": now,
        "untrained": untrained,
        "step": late[-1].step,
    }


def fresh(
    exam: Exam, begin: nn.Module, end: nn.Module, late: list[Batch], seconds: float
) -> dict[str, Any]:
    """The newest batches, learnt anew by the first weights and once more by the last ones."""
    if late is exam.capture.first or len(late) < FEWEST or seconds <= 0:
        return {}
    veteran, newcomer = (exam.judge(m, late) for m in (end, begin))
    if not math.isfinite(newcomer) or veteran < CLOSE * newcomer:
        return {}  # it learns all right
    after, steps = [], STEPS
    for model in (begin, end):
        arm, optimizer = exam.arm(model, 1.0)
        if optimizer is None:
            return {}
        steps = exam.train(arm, optimizer, late, steps, seconds / 2)
        if steps < FEWEST:
            return {}
        after.append(exam.judge(arm, late))
    return {
        "start": newcomer,
        "fresh": after[0],
        "now": veteran,
        "veteran": after[1],
        "steps": steps,
        "step": late[-1].step,
    }


def _losses(exam: Exam, model: nn.Module, batches: list[Batch]) -> list[float]:
    return [float(exam.capture.loss(model, b)) for b in batches]


def _turned(batch: Batch, turn: Callable[[Tensor], Tensor]) -> Batch:
    turned = copy.copy(batch)
    turned.args = (turn(batch.args[0]), *batch.args[1:])
    return turned


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _paired(before: list[float], after: list[float]) -> float:
    """t of the batches' differences before - after: positive when after is lower."""
    d = torch.tensor(before, dtype=torch.float64) - torch.tensor(after, dtype=torch.float64)
    error = float(d.std()) / math.sqrt(len(d))
    return float(d.mean()) / error if error > 0 else 0.0


def rescaled(exam: Exam, end: nn.Module, shelf: Shelf) -> dict[str, Any]:
    """Does the trained model know held-out rows once they have the scale of the training rows?"""
    batch = (list(exam.capture.last) or exam.capture.first)[-1]
    x, size = batch.args[0], len(batch.args[0])
    if len(batch.args) != 1 or not x.is_floating_point() or not 2 <= x.dim() <= 4:
        return {}
    pieces = [p for p in shelf.pieces if p.x.shape[1:] == x.shape[1:] and p.x.dtype == x.dtype]
    if sum(len(p.x) for p in pieces) < max(HELD, size):
        return {}
    rows, y = (torch.cat([getattr(p, k) for p in pieces])[:MOST] for k in ("x", "y"))
    place = exam.capture.feature_dim(x)
    trained = [b.args[0] for b in exam.capture.last or exam.capture.first]
    (mean, std), (own_mean, own_std) = (
        _scale([t for t in given if t.shape[1:] == x.shape[1:]], place)
        for given in (trained, [rows])
    )
    wider, moved = own_std / std, (own_mean - mean).abs() / std
    apart = bool(((moved > MOVED) | (wider > WIDER) | (wider < 1 / WIDER)).any())
    if not apart or not bool((torch.isfinite(wider) & torch.isfinite(moved)).all()):
        return {}
    turned = (rows.double().movedim(place, -1) - own_mean) / own_std * std + mean
    asked = {
        "own": (rows, y),
        "rescaled": (turned.movedim(-1, place).to(x.dtype), y),
        "training": (x, batch.target),
    }
    end.eval()
    try:
        with torch.no_grad():
            wrong = {k: _wrong(exam, end, *pair, size) for k, pair in asked.items()}
    except UnrepeatableError:
        return {}  # a model for one size of batches, or one that does not run in evaluation mode
    if None in wrong.values():
        return {}
    both = {"mean": (mean, own_mean), "std": (std, own_std)}
    told = {k: [float(a.mean()), float(b.mean())] for k, (a, b) in both.items()}
    return {**wrong, **told, "rows": len(rows) // size * size}


def _wrong(exam: Exam, model: nn.Module, x: Tensor, y: Tensor, size: int) -> float | None:
    """Share of rows that a model names wrongly, in batches like those of the training."""
    whole = len(x) // size * size
    outputs = [exam.capture.output(model, (part,)) for part in x[:whole].split(size)]
    labels, _, logits = targets(y[:whole].cpu(), torch.cat(outputs).cpu())
    if labels is None or logits is None:
        return None
    return float((logits.argmax(1) != labels).double().mean())


def features(given: Sequence[Tensor], place: int) -> Tensor:
    """Inputs as (rows and places, features), in float64."""
    return torch.cat([x.double().movedim(place, -1).flatten(0, -2) for x in given])


def _scale(given: Sequence[Tensor], place: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature, over rows and places."""
    flat = features(given, place)
    return flat.mean(0), flat.std(0).clamp_min(SMALL)
