"""Measurements on Adam's memory of squared gradients, on a sample of a parameter's entries."""

from __future__ import annotations

from collections.abc import Sequence

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


def of_parts(
    square: Tensor, grad: Tensor, eps: Tensor, lengths: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """`epsilon_factor` and `surprise` of each part of two vectors, in few operations.

    Args:
        square: (n,) running means, corrected.
        grad: (n,) gradients.
        eps: (parts,) one epsilon for each part.
        lengths: numbers in each part, n together.
    """
    counts = torch.tensor(lengths, device=square.device)
    part = torch.repeat_interleave(counts, output_size=len(square))

    def total(x: Tensor) -> Tensor:
        return torch.zeros(len(lengths), dtype=x.dtype, device=x.device).index_add_(0, part, x)

    eps = eps.to(square.dtype)
    wide, root = eps[part], square.sqrt()
    used = (root > 0) | (grad != 0)
    factor = total((root / (root + wide)).where(used, 0)) / total(used.to(root.dtype))
    floor = wide.square().clamp_min(torch.finfo(square.dtype).tiny)
    return factor, (total(grad.square() / square.maximum(floor)) / counts).sqrt()


def surprise(square: Tensor, grad: Tensor, eps: float) -> Tensor:
    """sqrt(mean g^2 / max(v, eps^2)): about 1 while the gradient is as large as it has been.

    Wortsman et al. (2023, arXiv 2304.13013) call it RMS_t.

    Args:
        square: running mean v of the squared gradient with this one in it, corrected for its bias.
        grad: the gradient g.
    """
    floor = max(eps * eps, torch.finfo(square.dtype).tiny)
    return (grad.square() / square.clamp_min(floor)).mean().sqrt()
