"""Measurements on Adam's memory of squared gradients, on a sample of a parameter's entries."""

from __future__ import annotations

import torch
from torch import Tensor


def epsilon_factor(square: Tensor, grad: Tensor, eps: float) -> Tensor:
    """mean sqrt(v) / (sqrt(v) + eps): what epsilon leaves of the step, over entries that are used.

    Args:
        square: running mean v of the squared gradient, corrected for its bias.
        grad: the gradient; an entry without either has never been used and does not count.

    Returns:
        A scalar in [0, 1], NaN when no entry was ever used.
    """
    root = square.sqrt()
    used = (root > 0) | (grad != 0)
    return (root / (root + eps)).where(used, 0).sum() / used.sum()


def surprise(square: Tensor, grad: Tensor, eps: float) -> Tensor:
    """sqrt(mean g^2 / max(v, eps^2)): about 1 while the gradient is as large as it has been.

    Wortsman et al. (2023, arXiv 2304.13013) call it RMS_t.

    Args:
        square: running mean v of the squared gradient with this one in it, corrected for its bias.
        grad: the gradient g.
    """
    floor = max(eps * eps, torch.finfo(square.dtype).tiny)
    return (grad.square() / square.clamp_min(floor)).mean().sqrt()
