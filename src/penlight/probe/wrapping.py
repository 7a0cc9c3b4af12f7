"""Did the pixels of pictures wrap around, as bytes do when something is subtracted from them?

`(image - 128) / 128` on bytes makes 255 of 127 and 0 of 128: what was a little darker than the
middle is the brightest there is. The values lie within bounds and on a grid like any others; only
a pixel and its neighbour are torn apart where the brightness passes the middle, and come together
again when the same number is added anew.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from penlight.probe.mirroring import CHANNELS, picture_axes

LEVELS = 256  # of a byte
USED = 150  # of them that occur, at least: between two tones and their blends there are none
OFF = 0.02  # of a level: far above rounding to float32
PICTURES = 64
PIXELS = 2**16  # of a channel, about, that are looked at
SEAM = 8  # levels on each side of a border that neighbours may cross


def wrapped(x: Tensor) -> dict[str, Any]:
    """How much closer neighbouring pixels come when the bytes are wrapped once more.

    "closer": mean step between neighbours after the best "shift" (levels), in parts of the one as
    given. "seam": pairs of neighbours of which one is among the lowest levels and one among the
    highest, in parts of the pairs that cross the next border of such a kind: as many where values
    wrap, next to none between black and white. "edge": share of pixels on the lowest or on the
    highest level, whichever is larger. Of several channels the least suspicious counts: a hue goes
    in a circle. {} where these are no pictures of bytes.

    Args:
        x: (rows, channels, high, wide), (rows, high, wide, channels) or (rows, high, wide).
    """
    axes = picture_axes(x)
    if axes is None:
        return {}
    if x.dim() == 3:
        planes = x[:, None]
    else:
        planes = x.movedim(-1, 1) if axes == (-3, -2) else x
    if not 1 <= planes.shape[1] <= CHANNELS:
        return {}
    found = []
    pictures = min(PICTURES, max(1, PIXELS // (planes.shape[2] * planes.shape[3])))
    for channel in planes[:pictures].unbind(1):
        levels = on_grid(channel)
        if levels is None:
            return {}
        found.append(_of(levels))
    return max(found, key=lambda values: float(values["closer"]))


def on_grid(values: Tensor) -> Tensor | None:
    """Whole numbers from 0 to 255 that stand for the values; None: no bytes, or few of them."""
    kinds = values.unique().double()
    if not USED <= len(kinds) <= LEVELS or not bool(kinds.isfinite().all()):
        return None
    low, span = kinds[0], kinds[-1] - kinds[0]
    count = round(float(span / kinds.diff().min()))
    if count >= LEVELS:
        return None
    levels = (values.double() - low) * (count / span)
    if float((levels - levels.round()).abs().max()) > OFF:
        return None
    return levels.round().long()


def _of(levels: Tensor) -> dict[str, Any]:
    pairs = _neighbours(levels)
    level = torch.arange(LEVELS)
    rough = []
    for shift in range(LEVELS):
        moved = (level + shift) % LEVELS
        rough.append(float((pairs * (moved[:, None] - moved).abs()).sum()))
    shift = min(range(LEVELS), key=rough.__getitem__)
    seam = _crossings(pairs, 0) / max(_crossings(pairs, SEAM), _crossings(pairs, -SEAM), 1.0)
    edge = max(float((levels == end).double().mean()) for end in (0, int(levels.max())))
    return {"closer": rough[shift] / max(rough[0], 1.0), "shift": shift, "seam": seam, "edge": edge}


def _neighbours(levels: Tensor) -> Tensor:
    """(256, 256) how often a pixel of one level has one of the other beside or below it."""
    pairs = torch.zeros(LEVELS * LEVELS, dtype=torch.int64)
    for dim in (-2, -1):
        size = levels.shape[dim] - 1
        one, other = levels.narrow(dim, 0, size), levels.narrow(dim, 1, size)
        pairs += torch.bincount((LEVELS * one + other).flatten(), minlength=LEVELS * LEVELS)
    return pairs.reshape(LEVELS, LEVELS)


def _crossings(pairs: Tensor, border: int) -> float:
    """Neighbours of which one lies just below a border and the other just above it."""
    above = torch.arange(border, border + SEAM) % LEVELS
    below = torch.arange(border - SEAM, border) % LEVELS
    return float(pairs[above][:, below].sum() + pairs[below][:, above].sum())
