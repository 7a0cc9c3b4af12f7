"""What is given to a model beside its rows, such as the class to draw: does it tell anything?

The exam "conditions", and its values:
    for each argument of the trained model beside its first one of floats, with an
    entry for each row ("arguments", by name): mean loss with it as it is ("own") and
    dealt to other rows of its batch ("dealt"), their difference ("change"), its
    standard error ("error") and t over the "batches", as a share of the largest
    output how far outputs "moved", the share of rows that got "another" entry in
    so many "deals";
    whether it holds one whole number for each row ("integral"), how many "classes"
    that are, the "lowest" one, of how many rows the rarest is ("fewest"), and by how
    many standard deviations of chance the rows of different classes differ in inputs
    and targets ("told"); "rows", and numbers in a target row of floats ("width")
"""

from __future__ import annotations

import copy
import inspect
import math
from statistics import fmean
from time import thread_time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from penlight.probe.capture import HOLE, Batch

if TYPE_CHECKING:
    from penlight.probe.exam import Exam

DEALS = 4  # ways in which an argument is dealt to other rows
PAIRS = 10  # batches as they are and dealt: fewer say little
PASSES = 0.25  # of the time that is left, where a model is given more than its input
CLASSES = 1000  # distinct whole numbers: more are counts, or places in a large table
COLUMNS = 64  # of inputs and of targets, that classes are compared in
CHANCES = 24  # deals that tell how far classes differ by chance


def conditions(exam: Exam, end: nn.Module, late: list[Batch]) -> dict[str, Any]:
    """Does the trained model lose anything once an argument belongs to other rows?"""
    newest = {b.step for b in late}
    # Early batches as well: more pairs, and what was learnt by heart last does not count as much.
    batches = _alike([*late, *(b for b in exam.capture.first if b.step not in newest)])
    if not batches or exam.capture.inside:  # it may be given its own targets
        return {}
    main = next(i for i, a in enumerate(batches[0].args) if a.is_floating_point())
    asked = [i for i in range(len(batches[0].args)) if i != main and _differs(batches, i)]
    asked.sort(key=lambda i: not _whole(batches[0].args[i]))  # the others where there is time
    if not asked or not _whole(batches[0].args[asked[0]]):
        return {}
    end.eval()
    due = thread_time() + PASSES * exam.left()
    _seeded(exam, end, batches[0])  # the first pass takes longer
    start = thread_time()
    own = [_seeded(exam, end, b) for b in batches[:PAIRS]]
    dear = (thread_time() - start) / PAIRS
    most = int((due - thread_time() - PAIRS * dear) / max(2 * dear, 1e-9))
    own += [_seeded(exam, end, b) for b in batches[PAIRS : PAIRS + max(0, most)]]
    batches = batches[: len(own)]
    if not all(math.isfinite(loss) for loss, _ in own):
        return {}
    names, found = _names(exam, end), {}
    for i in asked:
        deals = min(DEALS, int((due - thread_time()) / max(dear * len(own), 1e-9)))
        if deals < 1:
            break
        found[names[i]] = {**_dealt(exam, end, batches, own, i, deals), **_classes(batches, i)}
    if not found:
        return {}
    target = batches[0].target
    return {
        "arguments": found,
        "batches": len(batches),
        "rows": sum(len(b.target) for b in batches),
        "width": target[0].numel() if target.is_floating_point() else 0,
    }


def _alike(batches: list[Batch]) -> list[Batch]:
    """Batches that count their samples in front, in each tensor; [] where there are not enough."""

    def counts(batch: Batch) -> bool:
        n = len(batch.args[0])
        own = [t for t in (*batch.args, batch.target) if t.dim() and len(t) == n]
        return n > 1 and len(own) == len(batch.args) + 1 and batch.shape[:1] == (n,)

    kinds = [[(a.dtype, a.shape[1:]) for a in (*b.args, b.target)] for b in batches]
    floats = batches and any(a.is_floating_point() for a in batches[0].args)
    same = [b for b, kind in zip(batches, kinds, strict=True) if kind == kinds[0] and counts(b)]
    return same if floats and len(same) >= PAIRS else []


def _differs(batches: list[Batch], i: int) -> bool:
    """Whether rows of an argument differ within most of the batches."""
    mixed = [bool((b.args[i] != b.args[i][:1]).any()) for b in batches]
    return sum(mixed) > len(batches) / 2


def _whole(x: Tensor) -> bool:
    """Whether an argument is one whole number for each row."""
    other = x.is_floating_point() or x.is_complex() or x.dtype == torch.bool
    return x.numel() == len(x) and not other


def _names(exam: Exam, model: nn.Module) -> list[str]:
    """The model's own names for the tensors that it is given."""
    try:
        known = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        known = []
    own = [p.name for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    recipe = exam.capture.recipe
    places = [i for i, a in enumerate(recipe.positional) if a is HOLE]
    told = [own[i] if i < len(own) else f"argument {i + 1}" for i in places]
    return told + [name for name, a in recipe.named if a is HOLE]


def _seeded(exam: Exam, model: nn.Module, batch: Batch) -> tuple[float, Tensor]:
    """Loss and output of a batch, each time with the same chance, where the model takes any."""
    torch.manual_seed(0)
    with torch.no_grad():
        output = exam.capture.prediction(model, batch)
        return float(exam.capture.compare(output, batch)), output


def _dealt(
    exam: Exam,
    model: nn.Module,
    batches: list[Batch],
    own: list[tuple[float, Tensor]],
    i: int,
    deals: int,
) -> dict[str, Any]:
    """Losses with the i-th argument dealt to other rows of its batch, paired with the own ones."""
    chance = torch.Generator().manual_seed(0)
    changes, moved, another = [], 0.0, 0.0
    for batch, (loss, output) in zip(batches, own, strict=True):
        losses, scale = [], float(output.abs().max()) + 1e-30
        for _ in range(deals):
            given = batch.args[i]
            turned = copy.copy(batch)
            dealt = given[torch.randperm(len(given), generator=chance)]
            turned.args = (*batch.args[:i], dealt, *batch.args[i + 1 :])
            now, answer = _seeded(exam, model, turned)
            losses.append(now)
            moved = max(moved, float((answer - output).abs().max()) / scale)
            another += int((dealt != given).reshape(len(given), -1).any(1).sum())
        changes.append(fmean(losses) - loss)
    d = torch.tensor(changes, dtype=torch.float64)
    before = fmean([loss for loss, _ in own])
    error, change = float(d.std()) / math.sqrt(len(d)), float(d.mean())
    return {
        "own": before,
        "dealt": before + change,
        "change": change,
        "error": error,
        "t": change / error if error > 0 else 0.0,
        "moved": moved,
        "another": another / deals / sum(len(b.args[i]) for b in batches),
        "deals": deals,
    }


def _classes(batches: list[Batch], i: int) -> dict[str, Any]:
    """Of one whole number for each row: how many there are, and whether they go with the rows."""
    given = [b.args[i] for b in batches]
    if not _whole(given[0]):
        return {"integral": False}
    values, ids, counts = torch.cat(given).flatten().unique(return_inverse=True, return_counts=True)
    found = {
        "integral": True,
        "classes": len(values),
        "lowest": int(values[0]),
        "fewest": int(counts.min()),
    }
    if not 2 <= len(values) <= CLASSES:
        return found
    rest = [[a for j, a in enumerate((*b.args, b.target)) if j != i] for b in batches]
    columns = [_columns(torch.cat(parts)) for parts in zip(*rest, strict=True)]
    # Products, too: a time step shows in how much of the noise that is asked for is in the input.
    products = [c * columns[-1] for c in columns[:-1] if c.shape == columns[-1].shape]
    both = torch.cat([*columns, *(c.square() for c in columns), *products], 1)
    return {**found, "told": _told(both, ids, [len(g) for g in given])}


def _columns(x: Tensor) -> Tensor:
    """Some of a tensor's columns, (rows, columns), standardised."""
    flat = x.flatten(1).double() if x.dim() > 1 else x[:, None].double()
    flat = flat[:, :: -(-flat.shape[1] // COLUMNS)]
    return (flat - flat.mean(0)) / (flat.std(0) + 1e-12)


def _told(columns: Tensor, ids: Tensor, rows: list[int]) -> float:
    """How far the classes' means lie apart, in standard deviations of what chance gives.

    Args:
        columns: (rows, columns).
        ids: (rows,), class of each row, from 0.
        rows: of each batch: classes are dealt within them.
    """
    columns = columns - columns.mean(0)
    columns = columns / (columns.std(0) + 1e-12)
    counts = torch.bincount(ids).double()[:, None]
    chance = torch.Generator().manual_seed(0)

    def apart(ids: Tensor) -> Tensor:
        sums = torch.zeros(len(counts), columns.shape[1], dtype=torch.float64)
        between = (sums.index_add_(0, ids, columns).square() / counts).sum(0)
        return torch.stack([between.mean(), between.max()])  # all a little, or one alone

    def dealt() -> Tensor:
        parts = [p[torch.randperm(len(p), generator=chance)] for p in ids.split(rows)]
        return apart(torch.cat(parts))

    by_chance = torch.stack([dealt() for _ in range(CHANCES)])
    return float(((apart(ids) - by_chance.mean(0)) / (by_chance.std(0) + 1e-12)).max())
