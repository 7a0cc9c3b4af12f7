"""One row of a batch, made small enough to be kept and looked at."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

SIDE = 64  # pixels of an image, at most
NUMBERS = 256  # of any other row, at most
CHANNELS = (1, 2, 3, 4)


def small(row: Tensor) -> tuple[tuple[int, ...], int, list[float]]:
    """A row as an image or as numbers.

    Args:
        row: (height, width), (channels, height, width), (height, width, channels), or any other
            shape, which is laid out as numbers.

    Returns:
        The shape of what is kept, (height, width) or (n,); the place of its first number in the
        row, and the numbers. An image has the mean of its channels, and where it is too large
        the mean over neighbours: what is not finite stays so. Of numbers those around the first
        that is not finite are kept.
    """
    row = row.detach().to("cpu", torch.float64)
    if row.dim() == 3 and row.shape[0] in CHANNELS:
        row = row.mean(0)
    elif row.dim() == 3 and row.shape[2] in CHANNELS:
        row = row.mean(2)
    if row.dim() == 2 and min(row.shape) > 1:
        size = [min(side, SIDE) for side in row.shape]
        if size != list(row.shape):
            row = adaptive_avg_pool2d(row[None], size)[0]
        return tuple(size), 0, row.flatten().tolist()
    row = row.flatten()
    bad = (~row.isfinite()).nonzero()
    start = min(max(0, int(bad[0]) - NUMBERS // 2), max(0, len(row) - NUMBERS)) if len(bad) else 0
    kept = row[start : start + NUMBERS]
    return (len(kept),), start, kept.tolist()
