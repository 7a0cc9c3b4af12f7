"""Do masks lie the way their pictures lie? Told by which of its mirror images fits a picture best.

Where a mask marks what looks different, it goes with the brightness of its picture, and better than
its own mirror images do. Where a random flip or turn is drawn once for the picture and once more
for the mask, one of the mirror images fits in most rows, and which one is a matter of chance. No
picture need come again for that, so that turns by any angle and crops may be drawn as well.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from penlight.probe.mirroring import by_way, flip, likelier, mask_axes, picture_axes

ROWS = 512  # pictures that are looked at
FEWEST = 60
SIDES = 64  # pixels of a side: of larger pictures every second, third, ... is looked at
CHANCE = 0.95  # of the fits of strangers' masks, below that of a mask that belongs to its picture
CLEAR = 0.9  # of the best fit: what is further from it than this is no tie


def facing(x: Tensor, y: Tensor, output: Tensor) -> dict[str, Any]:
    """How many masks fit their pictures as they lie, and how many as they do not.

    "rows" that were asked; those of them in which one mirror image of the mask fits the picture
    "clearly", better than nearly all masks of other rows in the best of their mirror images; of
    these, those in which the mask as it is fits "own" about as well as any; and among the others
    "fitting", the share in which the model's output is nearer to the mask as it is than to the one
    that fits. {} for targets of another kind, or few rows.

    Args:
        x: (rows, channels, high, wide), (rows, high, wide, channels) or (rows, high, wide).
        y: (rows, high, wide) or (rows, 1, high, wide) masks of two values or class numbers.
        output: (rows, ...) what the loss was given beside them.
    """
    axes = picture_axes(x)
    if axes is None:
        return {}
    high, wide = x.shape[axes[0]], x.shape[axes[1]]
    sides = mask_axes(y, high, wide)
    if sides is None or y.numel() != len(y) * high * wide:
        return {}
    y = y.reshape(len(y), high, wide)
    marked = _marked(y)
    rows = ((marked.sum((1, 2)) > 0) & ~marked.flatten(1).all(1)).nonzero()[:, 0][:ROWS]
    if len(rows) < FEWEST:
        return {}
    grey = x[rows].double()
    if x.dim() == 4:
        grey = grey.mean(1 if axes == (-2, -1) else 3)
    every = -(-max(high, wide) // SIDES)
    pictures = _unit(grey[:, ::every, ::every])
    masks = _unit(marked[rows][:, ::every, ::every].double())
    own = _fits(pictures, masks)
    strangers = _fits(pictures, masks.roll(1, 0)).amax(1)
    best, way = own.max(1)
    clear = best > strangers.quantile(CHANCE)
    right = own[:, 0] >= CLEAR * best
    found = {
        "rows": len(rows),
        "clearly": int(clear.sum()),
        "own": int((clear & right).sum()),
        "fitting": 0.5,
    }
    turned = (clear & ~right).nonzero()[:, 0]
    if len(turned):
        places = rows[turned]
        other = by_way(y[places], way[turned], _turned)
        nearer = likelier(output[places], y[places], other)
        if nearer is None:
            return {}
        found["fitting"] = float(nearer.mean())
    return found


def _marked(y: Tensor) -> Tensor:
    """(rows, high, wide) what is not the most frequent value: the background, or the ground."""
    values, counts = y.unique(return_counts=True)
    return y != values[counts.argmax()]


def _unit(t: Tensor) -> Tensor:
    """(rows, high, wide), each row of mean 0 and length 1."""
    t = t - t.mean((1, 2), keepdim=True)
    return t / t.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]


def _fits(pictures: Tensor, masks: Tensor) -> Tensor:
    """(rows, ways) by how much each mirror image of a mask goes with its picture, 0 to 1."""
    high, wide = pictures.shape[1:]
    ways = range(8 if high == wide else 4)  # a square picture can be turned as well
    return torch.stack([(pictures * _turned(masks, k)).sum((1, 2)).abs() for k in ways], 1)


def _turned(t: Tensor, way: int) -> Tensor:
    """Flipped as `flip` has it, and mirrored along the diagonal before (bit 4)."""
    return flip(t.transpose(-1, -2) if way & 4 else t, way, (-2, -1))
