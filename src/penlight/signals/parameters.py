"""Measurements on parameters, on a sample of their entries."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from penlight.signals.tensors import wide

FLOOR = 2.0**-22  # float16 counts in steps of 2^-24 near zero
BLOCKS = 64
WIDTH = 64  # 64 spread blocks of 64: update ratio within 4% of the exact one (notes, table 1b)


def local(p: Tensor) -> Tensor:
    """This rank's part of a parameter or gradient, detached."""
    p = p.detach()
    to_local = getattr(p, "_local_tensor", None)
    return to_local if isinstance(to_local, Tensor) else p


def sample(p: Tensor) -> Tensor:
    """A copy of at most 4096 entries: all of a small tensor, else 64 spread blocks of 64."""
    return _spread(p).clone()


def samples(tensors: Sequence[Tensor]) -> tuple[Tensor, list[int]]:
    """The samples of several tensors on one device, flat and end to end, and how long each is."""
    found = [_spread(p).reshape(-1) for p in tensors]
    return torch.cat(found), [x.numel() for x in found]


def _spread(p: Tensor) -> Tensor:
    flat = wide(local(p))
    if flat.numel() <= BLOCKS * WIDTH or not flat.is_contiguous():
        return flat.reshape(-1)[: BLOCKS * WIDTH]
    stride = (flat.numel() - WIDTH) // (BLOCKS - 1)
    stride -= 1 - stride % 2  # odd, so as not to beat with the row length
    return flat.as_strided((BLOCKS, WIDTH), (stride, 1))


def relative_changes(before: Tensor, after: Tensor, lengths: Sequence[int]) -> Tensor:
    """||after - before|| / ||before|| of each part of a vector; denominators at least 1e-12."""
    parts = list(lengths)
    moved = torch._foreach_norm((after - before).split(parts))
    return torch.stack(moved) / torch.stack(torch._foreach_norm(before.split(parts))).clamp_min(
        1e-12
    )


def relative_change(before: Tensor, after: Tensor) -> Tensor:
    """||after - before|| / ||before||; the denominator is floored at 1e-12."""
    return torch.linalg.vector_norm(after - before) / torch.linalg.vector_norm(before).clamp_min(
        1e-12
    )


def lost_share(before: Tensor, after: Tensor, gradient: Tensor) -> Tensor:
    """Share of the entries with a non-zero gradient that are the same before and after a step."""
    moved = gradient != 0
    return ((before == after) & moved).sum() / moved.sum()


def floor_share(gradient: Tensor) -> Tensor:
    """Share of the non-zero entries below 2^-22, the four smallest steps of float16.

    NaN where the entries are not all numbers that float16 has: then they were computed otherwise,
    or a loss scale was divided out.
    """
    size = gradient.abs()
    share = ((size > 0) & (size < FLOOR)).sum() / (size > 0).sum()
    own = (gradient.half().to(gradient.dtype) == gradient).all()
    return torch.where(own, share, torch.full_like(share, float("nan")))
