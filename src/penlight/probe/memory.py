"""How far back a recurrent model can look: the exam's experiment on sequences.

The gradient of the model's own output, along a random direction, with respect to each time step
of what enters its first recurrent layer: a layer that forgets leaves none for the early steps, a
model that pools, attends or answers at every step leaves some for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from penlight.probe.capture import Batch

FEWEST = 8  # time steps of a sequence
ALPHABET = 64  # tokens at most that are told apart
COLUMNS = 16  # targets at most

Call = Callable[[nn.Module, tuple[Tensor, ...]], Tensor]


def reach(model: nn.Module, batch: Batch, call: Call) -> dict[str, Any]:
    """Gradient at each time step, as a share of the largest; {} for a model without recurrence.

    Args:
        model: in evaluation mode; its gradients are left alone.
        call: gives a model's prediction for the arguments of a batch.
    """
    found = next((x for x in model.named_modules() if isinstance(x[1], nn.RNNBase)), None)
    if found is None:
        return {}
    name, layer = found
    fed: list[Tensor] = []

    def enter(_: nn.Module, args: Any) -> Any:
        if fed or not args or type(args[0]) is not Tensor or args[0].dim() != 3:
            return None
        fed.append(args[0].detach().clone().requires_grad_())
        return (fed[0], *args[1:])

    handle = layer.register_forward_pre_hook(enter)
    try:
        out = call(model, batch.args)
    finally:
        handle.remove()
    if not fed or not out.requires_grad:
        return {}
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(out.shape, generator=generator, dtype=out.dtype)
    (grad,) = torch.autograd.grad(out, fed, direction, allow_unused=True)
    time = 1 if layer.batch_first else 0
    if grad is None or grad.shape[time] < FEWEST:
        return {}
    sizes = grad.double().movedim(time, 0).flatten(1).norm(dim=1)
    top = float(sizes.max())
    if not (math.isfinite(top) and top > 0):
        return {}
    return {
        "module": name,
        "type": type(layer).__name__,
        "bidirectional": layer.bidirectional,
        "light": (sizes / top).tolist(),
    }


def informed(batches: Sequence[Batch], steps: Sequence[int], length: int) -> float | None:
    """Whether what the sequences hold at `steps` goes with the targets.

    Args:
        batches: sequences of tokens (B, T) or vectors (B, T, F), with a target each.
        steps: positions that are asked about.
        length: T, to know the dimension of time.

    Returns:
        The largest |correlation| x sqrt(samples) over positions, features and target columns:
        under 6 by chance. None where it cannot be told.
    """
    pairs = [
        (b.args[0], b.target)
        for b in batches
        if b.args[0].dim() in (2, 3)
        and b.args[0].shape[1] == length
        and b.target.shape[:1] == b.args[0].shape[:1]
    ]
    if not pairs or not steps:
        return None
    x = torch.cat([x for x, _ in pairs])[:, list(steps)]
    y = torch.cat([y.reshape(len(y), -1) for _, y in pairs])
    if y.shape[1] > COLUMNS:
        return None
    x, y = _columns(x.flatten(2) if x.dim() > 2 else x), _columns(y)
    if x is None or y is None or len(x) < 2 * ALPHABET:
        return None
    x, y = _standard(x), _standard(y)
    return float((x.T @ y).abs().max()) / math.sqrt(len(x))


def _columns(values: Tensor) -> Tensor | None:
    """Numbers as they are, (N, C); whole numbers as one column for each value they take."""
    flat = values.flatten(1)
    if flat.is_floating_point():
        return flat.double()
    kinds = flat.unique()
    if len(kinds) > ALPHABET:
        return None
    return (flat[:, :, None] == kinds).flatten(1).double()


def _standard(columns: Tensor) -> Tensor:
    centred = columns - columns.mean(0)
    return centred / centred.square().mean(0).sqrt().clamp_min(1e-12)
