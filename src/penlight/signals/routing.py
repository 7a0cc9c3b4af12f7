"""Measurements on how a router deals tokens to experts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FEW = 0.1  # of an equal share: an expert with less is idle


def load(chosen: Tensor, experts: int) -> Tensor:
    """How often each expert was chosen, (experts,), from indices of any shape."""
    every = torch.arange(experts, device=chosen.device)
    return (chosen.reshape(-1, 1) == every).sum(0)


def entropy(counts: Tensor) -> Tensor:
    """Entropy of the shares over that of equal ones: 1 when all are chosen alike, 0 for one."""
    shares = counts / counts.sum()
    return torch.special.entr(shares).sum() / math.log(len(counts))


def idle(counts: Tensor) -> Tensor:
    """Share of the experts that are chosen less than a tenth as often as on average."""
    return (counts < FEW * counts.sum() / len(counts)).float().mean()
