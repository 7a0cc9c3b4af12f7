"""Measurements on the output of a module."""

from __future__ import annotations

import torch
from torch import Tensor


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
    """L2 norm, summed in float64: squares of gradients below 1e-19 vanish in float32."""
    x = wide(x)
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    return torch.linalg.vector_norm(x, dtype=dtype)


def rms(x: Tensor) -> Tensor:
    """Root mean square."""
    return norm(x) / max(x.numel(), 1) ** 0.5


def absmax(x: Tensor) -> Tensor:
    """Largest magnitude; NaN when there is one."""
    low, high = torch.aminmax(wide(x))
    return torch.maximum(-low, high)


def dependence(x: Tensor) -> Tensor:
    """mean_j Var_i(x_ij) / mean_ij x_ij^2 over samples i (dimension 0) and units j.

    In [0, 1]; 0 when all samples give the same output. The float32 rounding floor is about
    4e-15 (Schoenholz et al. 2017 describe the collapse it measures).
    """
    x = wide(x)
    spread = (x - x.mean(0, keepdim=True)).square().mean()
    return spread / x.square().mean().clamp_min(1e-38)
