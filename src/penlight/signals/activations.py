"""Measurements on the result of an activation function."""

from __future__ import annotations

from torch import Tensor

from penlight.signals.tensors import wide

SATURATED = 0.05  # mean slope of a unit below this share of its maximum


def units(x: Tensor, channels_first: bool = False) -> Tensor:
    """Samples with positions as rows, units as columns.

    Units are the channels (dimension 1) of a convolution's output, else the last dimension.
    """
    if channels_first and x.dim() > 2:
        return x.movedim(1, -1).reshape(-1, x.shape[1])
    return x.reshape(-1, x.shape[-1]) if x.dim() > 1 else x.reshape(-1, 1)


def alive(result: Tensor, channels_first: bool = False) -> Tensor:
    """Per unit, whether it was positive on any sample: (units,) bool."""
    x = result.detach()
    if x.is_cpu and x.dim() > 1:
        unit = 1 if channels_first and x.dim() > 2 else x.dim() - 1
        most = x.amax([d for d in range(x.dim()) if d != unit])
        if not bool(most.isnan().any()):  # NaN hides whatever else is there
            return most > 0
    return (units(x, channels_first) > 0).any(0)


def zero_share(result: Tensor) -> Tensor:
    """Share of exact zeros."""
    return (result.detach() == 0).sum().double() / result.numel()


def saturated_share(result: Tensor, kind: str, channels_first: bool = False) -> Tensor:
    """Share of units whose mean slope is under 5% of its maximum.

    Args:
        result: the activation's output.
        kind: "Sigmoid" (slope s(1-s), at most 1/4) or "Tanh" (slope 1-t^2, at most 1).
    """
    x = units(wide(result), channels_first)
    slope = 4.0 * x * (1.0 - x) if kind == "Sigmoid" else 1.0 - x.square()
    return (slope.mean(0) < SATURATED).float().mean()
