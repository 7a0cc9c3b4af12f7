"""Measurements on the output of a module.

On a CPU a large tensor is read in blocks that fit into its cache: a copy of the whole, in float64
or of a difference, costs up to a hundred times the reading (benchmarks/overhead/full.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SMALL = 1 << 14  # numbers: below, one operation costs more than a copy
ROW = 1024  # numbers whose squares are summed in float32: 1e-7 off at most
BLOCK = 1 << 16  # numbers of a copy: 256 kB
TINY, HUGE = 1e-15, 1e15  # mean sizes between which float32 squares neither vanish nor overflow


def wide(x: Tensor) -> Tensor:
    """The tensor as real float32 or float64, detached and dense."""
    x = x.detach()
    if x.is_sparse:
        x = x.coalesce().values()
    elif x.layout is not torch.strided:  # compressed rows or columns
        x = x.values()
    if x.is_complex():
        x = torch.view_as_real(x)
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def norm(x: Tensor) -> Tensor:
    """L2 norm, exact also where float32 is not: squares of gradients below 1e-19 vanish in it."""
    x = wide(x)
    if x.device.type != "cpu" or x.dtype is torch.float64 or x.numel() < SMALL:
        return _exact(x)
    flat = x.reshape(-1)
    rest = flat.numel() % ROW
    found = torch.linalg.vector_norm(flat[: flat.numel() - rest].view(-1, ROW), dim=1)
    if rest:
        found = torch.cat([found, torch.linalg.vector_norm(flat[-rest:]).reshape(1)])
    total = torch.linalg.vector_norm(found, dtype=torch.float64)
    mean = float(total) / flat.numel() ** 0.5
    if TINY < mean < HUGE or (mean == 0.0 and not bool(absmax(x))):
        return total
    return _exact(x)


def _exact(x: Tensor) -> Tensor:
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    return torch.linalg.vector_norm(x, dtype=dtype)


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """The L2 norm of each, as one vector in float64 (float32 on Apple's GPUs)."""
    return torch.stack([norm(x) for x in tensors])


def rms(x: Tensor) -> Tensor:
    """Root mean square."""
    return norm(x) / max(x.numel(), 1) ** 0.5


def absmax(x: Tensor) -> Tensor:
    """Largest magnitude; NaN when there is one."""
    low, high = torch.aminmax(wide(x))
    return torch.maximum(-low, high)


def dependence(x: Tensor, size: Tensor | None = None) -> Tensor:
    """mean_j Var_i(x_ij) / mean_ij x_ij^2 over samples i (dimension 0) and units j.

    In [0, 1]; 0 when all samples give the same output. The float32 rounding floor is about
    4e-15 (Schoenholz et al. 2017 describe the collapse it measures).

    Args:
        size: the root mean square of x, where it is known.
    """
    x = wide(x)
    if x.device.type != "cpu" or x.numel() < SMALL:
        spread = (x - x.mean(0, keepdim=True)).square().mean()
        return spread / x.square().mean().clamp_min(1e-38)
    mean = x.mean(0, keepdim=True)
    rows = max(1, BLOCK * x.shape[0] // x.numel())
    parts = [torch.linalg.vector_norm(block - mean) for block in x.split(rows)]
    spread = torch.stack(parts).double().square().sum() / x.numel()
    return spread / (rms(x) if size is None else size).square().clamp_min(1e-38)
