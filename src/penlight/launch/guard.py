"""Keeps non-finite numbers out of the weights of a long run: `penlight run --guard`.

Before each optimiser step the gradients are checked, after it the weights. What was good is kept
in memory every so many steps. Nothing here draws random numbers or writes to a healthy training.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from penlight.core.facts import Act, Blind, Fault

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from penlight.probe import Probe

Action = Literal["stop", "skip"]

EVERY = 100  # steps from one copy of the good state to the next
MOST = 10  # steps dropped in a row, or returns to one copy, after which even `skip` ends the run
GUARD = "guard"


class Guard:
    """Watches every optimiser of this process; `start` once the probe is there.

    Args:
        action: "stop" ends the run at the first non-finite number, "skip" drops that step.
        share: of the free memory that copies of the good state may take.
        every: steps between two copies.
    """

    def __init__(self, action: Action, share: float, every: int = EVERY) -> None:
        self.action = action
        self._share = share
        self._every = every
        self._kept: WeakKeyDictionary[Optimizer, _Kept] = WeakKeyDictionary()
        self._probe: Probe | None = None
        self._broken = False
        self._handles: list[Any] = []

    def start(self, probe: Probe) -> None:
        """Guard from now on."""
        from torch.optim.optimizer import (
            register_optimizer_step_post_hook,
            register_optimizer_step_pre_hook,
        )

        self._probe = probe
        self._handles = [
            register_optimizer_step_pre_hook(self._careful(self._before)),
            register_optimizer_step_post_hook(self._careful(self._after)),
        ]

    def stop(self) -> None:
        """Guard no longer."""
        while self._handles:
            self._handles.pop().remove()

    def _careful(self, check: Callable[[Optimizer], None]) -> Callable[..., None]:
        """The check as a hook: a fault of its own costs the protection, never the training."""
        import torch

        from penlight.probe.still import unreal, unseen

        pid = os.getpid()

        def hook(optimizer: Optimizer, *_: Any) -> None:
            if self._broken or torch.compiler.is_compiling() or unreal() or os.getpid() != pid:
                return
            try:
                with torch.no_grad(), unseen():
                    check(optimizer)
            except Exception as error:  # the law: our faults end here
                self._broken = True
                self._tell(f"--guard failed ({error}) and is off; the training goes on unprotected")
                self._event(Fault(GUARD, f"{type(error).__name__}: {error}", self._step))

        return hook

    # -- before and after a step --------------------------------------------------------------

    def _before(self, optimizer: Optimizer) -> None:
        if getattr(optimizer, "found_inf", None) is not None:
            return  # a GradScaler has looked already, and the step itself obeys it
        kept = self._kept.get(optimizer)
        if kept is None:
            kept = self._kept[optimizer] = _Kept(optimizer)
            self._keep(kept)
        grads = [p.grad for p in kept.parameters() if p.grad is not None]
        if finite(grads):
            return
        bad = not finite(kept.tensors(self._models()))
        self._act(kept, "the gradients are not finite", bad)
        _drop(optimizer, kept)

    def _after(self, optimizer: Optimizer) -> None:
        kept = self._kept.get(optimizer)
        if kept is None:
            return
        if kept.dropped:
            kept.dropped = False
            return
        if not finite(kept.parameters()):
            self._act(kept, "the step made the weights overflow", bad=True)
            return
        kept.in_a_row = 0
        kept.since += 1
        if kept.since >= self._every and kept.possible:
            self._keep(kept)

    # -- acting -------------------------------------------------------------------------------

    def _act(self, kept: _Kept, what: str, bad: bool) -> None:
        """Bring the weights back if they are bad; then go on, or end the run.

        Raises:
            SystemExit: the run ends here.
        """
        step = self._step
        kept.in_a_row += 1
        state = "the weights are those of the step before"
        restored = not bad
        if bad and kept.copy is not None:
            state = f"the weights are back where they were {kept.since} good steps ago"
            kept.restore()
            restored = True
        elif bad:
            state = "and the weights are not finite any more: no good copy of them fits in memory"
        tired = kept.in_a_row > MOST or kept.returns > MOST
        if self.action == "skip" and restored and not tired:
            self._record(step, f"Guard, step {step}: {what}; the step is dropped, {state}")
            return
        why = f" It was so for {MOST} times already." if tired and self.action == "skip" else ""
        self._record(step, f"Guard, step {step}: {what}; the run is ended, {state}.{why}")
        raise SystemExit(1)

    def _keep(self, kept: _Kept) -> None:
        """Copy the good state, if it fits."""
        models = self._models()
        size = sum(t.numel() * t.element_size() for t in kept.everything(models))
        own = size if kept.copy is not None else 0  # what the copy before it gives back
        kept.possible = size <= self._share * (free_memory() + own)
        if not kept.possible:
            kept.copy = None
            said = f"a copy of the good state needs {size / 2**20:.0f} MB, more than allowed"
            self._tell(f"--guard: {said}; steps are still checked, but nothing can be restored")
            self._event(Blind(what=GUARD, why=said))
        elif finite(kept.tensors(models)):
            kept.take(models)

    def _record(self, step: int, says: str) -> None:
        self._event(Act(step, GUARD, says))
        if self._probe is not None:
            self._probe.sink.flush()
        self._tell(says)

    @property
    def _step(self) -> int:
        parts = self._probe.parts if self._probe is not None else None
        return parts.state.step if parts is not None else 0

    def _models(self) -> list[Any]:
        """Models that train: their buffers belong to the state."""
        parts = self._probe.parts if self._probe is not None else None
        roots = parts.state.models.roots if parts is not None else []
        return [m for root in roots if (m := root.module) is not None]

    def _event(self, fact: Act | Blind | Fault) -> None:
        if self._probe is not None:
            self._probe.sink.event(fact.to_event())

    def _tell(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads stderr any more
            sys.stderr.write(f"penlight: {text}\n")
            sys.stderr.flush()


@dataclass
class _Kept:
    """The newest good state of what one optimiser trains."""

    optimizer: Any  # weak: the optimiser is the key of this one
    since: int = 0  # good steps since the copy was taken or gone back to
    dropped: bool = False  # the step under way
    in_a_row: int = 0  # steps dropped
    returns: int = 0  # to the same copy
    possible: bool = True
    copy: list[tuple[Tensor, Tensor]] | None = None  # tensors and what they held
    states: list[tuple[Tensor, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        from weakref import ref

        self.optimizer = ref(self.optimizer)

    def parameters(self) -> list[Tensor]:
        return [p for group in self.optimizer().param_groups for p in group["params"]]

    def tensors(self, models: Iterable[Any]) -> list[Tensor]:
        """Parameters, and the buffers of the models that they belong to."""
        own = self.parameters()
        held = {id(p) for p in own}
        buffers = {
            id(b): b
            for model in models
            if any(id(p) in held for p in model.parameters())
            for b in model.buffers()
            if b.is_floating_point()
        }
        return [*own, *buffers.values()]

    def everything(self, models: Iterable[Any]) -> list[Tensor]:
        """All that a copy holds, the optimiser's moments included."""
        states = self.optimizer().state.values()
        moments = [t for state in states for t in state.values() if hasattr(t, "element_size")]
        return [*self.tensors(models), *moments]

    def take(self, models: Iterable[Any]) -> None:
        self.copy, self.states = None, []  # never two copies at a time
        self.copy = [(t, t.detach().clone()) for t in self.tensors(models)]
        state = self.optimizer().state
        self.states = [(p, _copied(state[p])) for p in self.parameters() if p in state]
        self.returns = self.since = 0

    def restore(self) -> None:
        assert self.copy is not None
        self.returns += 1
        self.since = 0
        for tensor, good in self.copy:
            tensor.detach().copy_(good)
        state = self.optimizer().state
        for p in self.parameters():
            state.pop(p, None)
        for p, good in self.states:
            state[p] = _copied(good)


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {k: v.clone() if hasattr(v, "clone") else v for k, v in state.items()}


def _drop(optimizer: Optimizer, kept: _Kept) -> None:
    """Take the gradients away, so that the step that follows does nothing."""
    kept.dropped = True
    torchs_own = type(optimizer).__module__.startswith("torch.optim")
    for p in kept.parameters():
        if p.grad is None:
            continue
        if torchs_own:  # skips what has no gradient; zeros would still move it by its moments
            p.grad = None
        else:
            p.grad.zero_()


def finite(tensors: Sequence[Tensor]) -> bool:
    """Whether no NaN and no infinity is in them.

    The norms tell it in one pass. One number a device is read, which waits for that device, and on
    the CPU for nothing.
    """
    import torch

    values = [t._values() if t.layout is not torch.strided else t for t in tensors]
    rows = [t.detach() for t in values if t.numel() and (t.is_floating_point() or t.is_complex())]
    groups: dict[tuple[Any, Any], list[Tensor]] = {}
    for row in rows:
        groups.setdefault((row.device, row.dtype), []).append(row)
    for (_, dtype), group in groups.items():
        wide = torch.float32 if dtype in (torch.float16, torch.bfloat16) else None
        total = torch.stack(torch._foreach_norm(group, 2, dtype=wide)).sum()
        # A sum of squares may overflow although every number is finite.
        if not math.isfinite(total.item()) and not all(bool(x.isfinite().all()) for x in group):
            return False
    return True


def free_memory() -> float:
    """Bytes that programs can have without swapping; the machine's whole memory where unknown."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return math.inf
