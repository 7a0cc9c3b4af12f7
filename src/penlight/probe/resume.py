"""Watches weights come back: what a checkpoint holds, what of it is used, and when."""

from __future__ import annotations

from typing import Any
from weakref import ReferenceType, ref

import torch
from torch.optim import Optimizer

from penlight.core import facts as f
from penlight.probe.guard import Patches
from penlight.probe.state import State, user_line

SETTINGS = ("betas", "eps", "weight_decay", "momentum", "nesterov", "alpha", "amsgrad")


class Resume:
    """The newest checkpoint that a script has read with torch.load."""

    def __init__(self, state: State, patches: Patches) -> None:
        self.state = state
        self.source = ""
        self.saved: dict[str, Any] | None = None  # the optimiser's state in that file
        self.models: set[int] = set()  # ids of the other dictionaries in it
        self.owner: ReferenceType[torch.nn.Module] | None = None  # who got the weights in it
        self.restored = False
        load, restore = torch.load, Optimizer.load_state_dict
        use = torch.nn.Module.load_state_dict
        read, restored, used, mark = (
            state.ledger.guard("checkpoints", function)
            for function in (self._read, self._restored, self._used, self._mark)
        )

        def watched_load(*args: Any, **kwargs: Any) -> Any:
            result = load(*args, **kwargs)
            read(result)
            return result

        def watched_restore(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
            result = restore(optimizer, *args, **kwargs)
            restored()
            return result

        def watched_use(module: torch.nn.Module, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
            before = mark(module)
            result = use(module, state_dict, *args, **kwargs)
            used(module, state_dict, before)
            return result

        patches.wrap(torch, "load", watched_load)
        patches.wrap(Optimizer, "load_state_dict", watched_restore)
        patches.wrap(torch.nn.Module, "load_state_dict", watched_use)

    def _read(self, result: Any) -> None:
        if not isinstance(result, dict):
            return
        saved = [v for v in result.values() if is_optimizer(v)]
        if saved:
            self.source = user_line(4)
            self.saved = saved[0]
            self.models = {id(v) for v in result.values() if isinstance(v, dict)} - {id(saved[0])}
            self.owner, self.restored = None, False

    def _mark(self, module: torch.nn.Module) -> float | None:
        """A number that changes with the weights of a model that has trained."""
        own = next(module.parameters(), None)
        if not self.state.step or own is None or own.device.type != "cpu":
            return None
        return float(own.detach().double().sum()) if self.state.models.parameter(own) else None

    def _used(self, module: torch.nn.Module, state_dict: Any, before: float | None) -> None:
        if before is not None and self._mark(module) != before:
            self.state.hygiene["restored"] = self.state.step
        if id(state_dict) in self.models:
            self.owner = ref(module)

    def _restored(self) -> None:
        self.restored = True

    def begin(self, optimizer: Optimizer) -> None:
        """An optimiser is about to make its first step: did it get its state back?"""
        saved, self.saved = self.saved, None
        owner = self.owner() if self.owner is not None else None
        if saved is None or owner is None:
            return
        trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if not any(id(p) in trained for p in owner.parameters()):
            return  # the weights were read for an evaluation, and another model trains
        groups = saved["param_groups"]
        state = saved["state"]
        self.state.write(
            f.Resume(
                step=self.state.step,
                source=self.source,
                tensors=len(state),
                age=max((age(entry) for entry in state.values()), default=0),
                restored=self.restored,
                same=alike(groups, optimizer.param_groups),
                saved_lr=float(groups[0].get("lr", 0.0)),
                lr=float(optimizer.param_groups[0].get("lr", 0.0)),
            )
        )


def is_optimizer(value: Any) -> bool:
    """Whether a value is what Optimizer.state_dict gives."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("state"), dict)
        and isinstance(value.get("param_groups"), list)
        and bool(value["param_groups"])
        and all(isinstance(group, dict) for group in value["param_groups"])
    )


def age(entry: Any) -> int:
    """Steps that an optimiser has counted for one tensor."""
    step = entry.get("step", 0) if isinstance(entry, dict) else 0
    return int(step) if isinstance(step, (int, float, torch.Tensor)) else 0


def alike(saved: list[dict[str, Any]], now: list[dict[str, Any]]) -> bool:
    """Whether two optimisers have the same number of tensors and the same settings, rates aside."""
    if len(saved) != len(now):
        return False
    for old, new in zip(saved, now, strict=True):
        if len(old.get("params", ())) != len(new["params"]):
            return False
        if any(k in old and k in new and old[k] != new[k] for k in SETTINGS):
            return False
    return True
