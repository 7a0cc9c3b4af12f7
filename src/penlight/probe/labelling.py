"""Do targets belong to their rows? Each time a row comes, and in both parts of the data?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from penlight.probe.rows import fingerprints

AGAIN = 32  # times that a row came again: in a training in order none changes its target
SAME = 0.2  # of the rows, others of one batch that are equal to them
PIECES = 16  # batches that are looked through


def relabelled(x: Tensor, y: Tensor, step: Tensor) -> dict[str, Any]:
    """How often rows came again ("again"), and the share of it with another target ("changed").

    "chance" is that share were targets dealt at random, "dealt" the share of the new targets that
    other rows had before. {} where targets are places in the batch, as in contrastive losses, where
    the rows of one batch are often the same, as rows of few categories are, or few came again.

    Args:
        x: (rows, numbers) inputs.
        y: (rows, columns) targets.
        step: (rows,) training steps done when each was seen.
    """
    _, rows = torch.unique(torch.tensor(fingerprints(x)), return_inverse=True)
    kinds, target = torch.unique(y, dim=0, return_inverse=True)
    together = torch.unique(torch.stack([rows, step]), dim=1).shape[1]
    if len(rows) - together > SAME * len(rows) or _places(y, step):
        return {}
    order = torch.argsort(step, stable=True)
    order = order[torch.argsort(rows[order], stable=True)]  # by row, then by step
    one, other = order[:-1], order[1:]
    pair = (rows[one] == rows[other]) & (step[one] < step[other])
    before, after = target[one[pair]], target[other[pair]]
    if len(before) < AGAIN:
        return {}
    moved = before != after
    share = torch.bincount(target, minlength=len(kinds)).double() / len(target)
    known = torch.isin(after[moved], before)
    return {
        "again": len(before),
        "changed": float(moved.double().mean()),
        "chance": float(1 - share.square().sum()),
        "dealt": float(known.double().mean()) if len(known) else 0.0,
    }


def numbering(logits: Tensor | None, label: Tensor | None) -> dict[str, Any]:
    """Would the answers be right if the classes were numbered in another way?

    The share of rows named rightly ("right"), and when each answer is read as the label that most
    other rows of this answer have ("read"); "moved" counts the classes read as another.

    Args:
        logits: (rows, classes) on held-out rows, or None.
        label: (rows,) class indices, or None.
    """
    if logits is None or label is None:
        return {}
    classes = logits.shape[1]
    answer = logits.argmax(1)
    table = torch.zeros(classes, classes)
    table.index_put_((answer[0::2], label[0::2]), torch.ones(len(answer[0::2])), accumulate=True)
    reading = torch.arange(classes)  # of each answer; those never given stay
    taken: dict[int, int] = {}
    for place in table.flatten().argsort(descending=True).tolist():
        row, column = divmod(place, classes)
        if float(table[row, column]) > 0 and row not in taken and column not in taken.values():
            taken[row] = column
            reading[row] = column
    answer, label = answer[1::2], label[1::2]
    return {
        "right": float((answer == label).double().mean()),
        "read": float((reading[answer] == label).double().mean()),
        "moved": sum(row != column for row, column in taken.items()),
        "rows": len(answer),
        "as": {str(row): taken[row] for row in sorted(taken)},
    }


def _places(y: Tensor, step: Tensor) -> bool:
    """Whether the targets of most batches are 0, 1, 2, ...: places in the batch."""
    steps = torch.unique(step)
    counted = [y[step == one].flatten() for one in steps[:PIECES]]
    ordered = sum(
        len(part) > 2 and bool((part.sort().values == torch.arange(len(part))).all())
        for part in counted
    )
    return 2 * ordered > len(counted)
