"""swap-optimizer: another optimiser, with a rate that is usual for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.compiled import optimizer_by_name
from penlight.edits.edit import Edit, Refused
from penlight.edits.names import sibling
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source
from penlight.edits.training import Training
from penlight.edits.values import set_argument

KNOWN = ("Adam", "AdamW", "RMSprop", "SGD")
MOMENTUM = 0.9
SHARED = ("params", "lr", "weight_decay", "foreach", "maximize")


@dataclass(frozen=True)
class SwapOptimizer(Edit):
    """Let another of torch's optimisers take the steps.

    Args:
        to: Adam, AdamW, RMSprop or SGD (with momentum).
        rate: its learning rate.
    """

    slot = "learning-rate"
    new_rate = True
    to: str
    rate: float

    def __post_init__(self) -> None:
        if self.to not in KNOWN:
            raise ValueError(f"{self.to} is none of {', '.join(KNOWN)}.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:
        adaptive = {o.adaptive for o in scene.run.optimizers}
        if finding.pitfall == "optimizer-coupled-weight-decay":
            yield cls("AdamW", scene.run.optimizers[0].lr)
            return
        if adaptive == {False}:
            yield cls("Adam", 1e-3)
            yield cls("Adam", 1e-2)

    @property
    def says(self) -> str:
        return f"Train with {self.to} at a learning rate of {self.rate:g}"

    def source(self, scene: Scene) -> Sequence[Change]:
        if {o.type for o in scene.run.optimizers} != {self.to}:
            named = optimizer_by_name(scene, self._keras, self.to)
            if named is not None:
                return named
        source, call, seen = scene.optimizer()
        if seen.type == self.to:
            raise Refused(f"The optimiser is {self.to} already.")
        if any(arg.star for arg in call.args):
            raise Refused(
                f"{source.file}:{source.lines(call)[0]} takes its settings from a dict.",
                f"Use torch.optim.{self.to} with lr={self.rate:g} there.",
            )
        name, imports = sibling(source, call.func, self.to)
        if any(source.calls("compile")) and not any(source.calls("backward")):
            return [*imports, source.replace(call, f"{name}({self._keras})")]
        changes = [*imports, source.replace(call.func, name)]
        changes += set_argument(scene, source, call, "lr", f"{self.rate:g}", position=1)
        changes += _dropped(source, call)
        if self.to == "SGD":
            end = source.span(call.args[-1].value)[1]
            changes.append(source.insert(end, f", momentum={MOMENTUM:g}"))
        return _merged(changes)

    @property
    def _keras(self) -> str:
        """What Keras's class of that name is given."""
        extra = f", momentum={MOMENTUM:g}" if self.to == "SGD" else ""
        return f"learning_rate={self.rate:g}{extra}"

    def live(self, training: Training) -> None:
        from torch import optim

        if type(training.optimizer).__name__ == self.to:
            raise Refused(f"The optimiser is {self.to} already.")
        groups: list[dict[str, Any]] = [
            {"params": group["params"], "weight_decay": group.get("weight_decay", 0.0)}
            for group in training.optimizer.param_groups
        ]
        extra = {"momentum": MOMENTUM} if self.to == "SGD" else {}
        training.optimizer = getattr(optim, self.to)(groups, lr=self.rate, **extra)


def _dropped(source: Source, call: cst.Call) -> Iterator[Change]:
    """Take out the arguments that only the old optimiser knows."""
    for before, arg in zip(call.args, call.args[1:], strict=False):
        position = call.args.index(arg)
        known = arg.keyword.value in SHARED if arg.keyword is not None else position == 1
        if not known:
            start, end = source.span(before.value)[1], source.span(arg.value)[1]
            yield Change(source.file, start, end, "")


def _merged(changes: Sequence[Change]) -> Sequence[Change]:
    """The changes without insertions into what another one takes out, which come behind it."""
    cuts = [c for c in changes if c.end > c.start and not c.text]
    merged = []
    for change in changes:
        inside = [c for c in cuts if c is not change and c.start < change.start <= c.end]
        if change.start == change.end and inside:
            end = max(c.end for c in inside)
            change = Change(change.file, end, end, change.text)
        merged.append(change)
    return merged
