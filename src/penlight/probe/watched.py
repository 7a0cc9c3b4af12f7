"""What the probe remembers of one optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from weakref import ReferenceType

from torch import Tensor
from torch.optim import Optimizer


@dataclass(frozen=True)
class Sampled:
    """Some entries of each of several tensors on one device, flat and end to end."""

    tensors: tuple[Tensor, ...]
    values: Tensor
    lengths: list[int]

    def parts(self) -> tuple[Tensor, ...]:
        """The entries of each."""
        return tuple(self.values.split(self.lengths))


@dataclass
class Watched:
    """One optimiser."""

    index: int
    kind: str
    ref: ReferenceType[Optimizer]
    steps: int = 0  # counted on from the iteration in which it was met
    used: bool = False  # its gradients have been stepped on and not cleared since
    stale: bool = False  # a backward pass began on such gradients
    closure: bool = False  # its step makes the gradients itself, once or several times
    start: dict[int, Tensor] = field(default_factory=dict)  # sampled weights at the first step
    before: list[Sampled] = field(default_factory=list)  # ... before the step under way
    loss: float | Tensor | None = None
    lr: float | None = None  # last one written: only changes are kept
    backwards: int = 0  # likewise
    # The parameter whose gradient is looked at for leftovers.
    canary: ReferenceType[Tensor] | None = None

    def begin(self, kept: list[Sampled]) -> None:
        """Keep some of the weights, as they are before a step."""
        self.before = kept
        if not self.start:
            self.start = {
                id(p): part
                for group in kept
                for p, part in zip(group.tensors, group.parts(), strict=True)
            }

    @property
    def site(self) -> str:
        """Name in the store."""
        return f"{self.kind}#{self.index}"

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Its parameter groups; none once the script has dropped it."""
        optimizer = self.ref()
        return optimizer.param_groups if optimizer is not None else []

    def tensors(self) -> list[Tensor]:
        """All parameters it holds."""
        return [p for g in self.groups for p in g["params"]]

    def graded(self) -> list[tuple[Tensor, Tensor]]:
        """Those that have a gradient, with it."""
        handed = getattr(self.ref(), "handed", None)  # to a script that moves its weights itself
        return handed or [(p, p.grad) for p in self.tensors() if p.grad is not None]
