"""A training in memory, as the live faces of the edits change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


@dataclass
class Training:
    """The objects of one training. An edit may put others in their place.

    Args:
        model: the module to train.
        optimizer: holds the model's parameters.
        loss: takes outputs and targets, gives a scalar.
        batches: an iterable of (inputs, targets), gone through once an epoch.
        validation: the same, held out; None when there is none.
        zero_grad: whether gradients are cleared before each backward pass.
        before_step: called after each backward pass, before the optimiser's step.
        after_step: called after each of the optimiser's steps.
    """

    model: nn.Module
    optimizer: Optimizer
    loss: Callable[[Tensor, Tensor], Tensor]
    batches: Iterable[Any]
    validation: Iterable[Any] | None = None
    zero_grad: bool = True
    before_step: list[Callable[[Training], None]] = field(default_factory=list)
    after_step: list[Callable[[Training], None]] = field(default_factory=list)

    def forget(self) -> None:
        """Drop the optimiser's moments: after a change that makes them stale."""
        self.optimizer.state.clear()
