"""Watches comparisons of predictions with labels in evaluation passes that call no loss function.

`(model(x).argmax(1) == y).sum()` tells the accuracy to whoever sees both sides. Once a pass without
gradient has been seen, tensor equality (`==`, `Tensor.eq`, `torch.eq`) is watched between such a
pass and the next training pass. When one side is what the newest output says (its arg max, its
sign, its rounding), the other side are the labels. The user's comparison and its result are handed
through as is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.jit._builtins import _register_builtin

from penlight.core import facts as f
from penlight.probe.forward import Forward
from penlight.probe.guard import Patches
from penlight.probe.passes import Passes
from penlight.probe.schedule import SPARED
from penlight.probe.state import State, measurable, user_line
from penlight.signals.predictions import MANY, ROWS, Tally, count_classes

KEPT = 1 << 20  # elements of an output that is held until the next pass; larger ones are let go
SCRIPTED: list[Any] = []  # known to TorchScript by their id, which nobody else may get


class Comparisons:
    """Accuracy of the evaluation passes whose loss nobody computes."""

    def __init__(self, state: State, forward: Forward, patches: Patches) -> None:
        self.state = state
        self.forward = forward
        self.patches = patches
        self.output: Tensor | None = None  # of the newest pass without gradient
        self.open = False  # such a pass was seen since the last training pass
        self.scored: dict[str, Passes] = {}
        self.installed = False
        self.elsewhere: Callable[[], bool] = bool  # whether a loss function counts the same passes

    def passed(self, output: Tensor) -> None:
        """A pass without gradient has given `output`."""
        if not self.installed:
            self._install()
        self.open = True
        small = output.numel() <= KEPT and measurable(output) and output.is_floating_point()
        self.output = output if small else None

    def close(self) -> None:
        """Training goes on, or the run has ended: write what was scored."""
        self.open, self.output = False, None
        scored, self.scored = self.scored, {}
        if not scored or self.elsewhere():
            return
        for site, passes in scored.items():
            for part in passes.sets():
                tally = part.tally
                self.state.write(
                    f.Predictions(
                        phase="eval",
                        objective=site,
                        step=passes.step,
                        samples=tally.counted,
                        accuracy=tally.right / tally.counted,
                        labels=tuple(tally.labels),
                        predicted=tuple(tally.predicted),
                        correct=tuple(tally.correct),
                        training_rows=part.share,
                        modules_training=passes.loose,
                    )
                )

    # -- inside ---------------------------------------------------------------------------

    def _install(self) -> None:
        self.installed = True
        compare = self.state.ledger.guard("comparisons", self._compare)
        for owner, name in ((Tensor, "__eq__"), (Tensor, "eq"), (torch, "eq")):
            self.patches.wrap(owner, name, self._wrap(getattr(owner, name), compare))
        torch.eq.__module__, torch.eq.__qualname__ = "torch", "eq"  # for pickle
        _register_builtin(torch.eq, "aten::eq")  # for TorchScript, which goes by identity
        SCRIPTED.append(torch.eq)

    def _wrap(self, original: Callable[..., Any], compare: Callable[..., Any]) -> Any:
        def watched(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if self.open and not torch.compiler.is_compiling() and self.output is not None:
                compare(args)
            return result

        return watched

    def _compare(self, sides: tuple[Any, ...]) -> None:
        output = self.output
        if output is None or len(sides) != 2 or not self.state.room(keep=SPARED):
            return
        a, b = sides
        if not (isinstance(a, Tensor) and isinstance(b, Tensor)) or a.numel() != b.numel():
            return
        if not a.numel() or a.device != output.device or b.device != output.device:
            return
        if not (measurable(a) and measurable(b)) or a.is_complex() or b.is_complex():
            return
        pair = paired(output.detach(), a.detach(), b.detach())
        if pair is None:
            return
        self.output = None  # compared: the same samples do not count twice
        labels, guesses, classes = pair
        site = f"accuracy@{user_line()}"
        if site not in self.scored:
            last = self.forward.last_eval
            self.scored[site] = Passes(step=self.state.step, loose=len(last[1]) if last else 0)
        passes = self.scored[site]
        if output.device.type != "cpu" and passes.samples > 16 * ROWS:
            return  # each count waits for the device
        tally = Tally(samples=labels.numel())
        count_classes(tally, labels, guesses, classes)
        passes.take(tally, [], self.forward.rows)
        if self.forward.pairs is not None:
            self.forward.pairs.judged(site, output, labels)


def paired(output: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, int] | None:
    """(labels, guesses, number of classes) when one of two tensors is what an output says."""
    readings = [(guess.reshape(-1).long(), n) for guess, n in read(output, a.numel())]
    for side, other in ((a, b), (b, a)):
        for guess, classes in readings:
            if torch.equal(side.reshape(-1).double(), guess.double()):
                labels = other.reshape(-1).double()
                known = (labels >= 0) & (labels < classes) & (labels == labels.round())
                return (labels.long(), guess, classes) if bool(known.all()) else None
    return None


def read(output: Tensor, count: int) -> Iterator[tuple[Tensor, int]]:
    """What an output may say where `count` guesses are compared, and of how many classes."""
    if output.numel() == count:
        shares = bool(((output >= 0) & (output <= 1)).all())  # or logits
        for border in (0.5, 0.0) if shares else (0.0, 0.5):
            yield output > border, 2
        return
    for dim in sorted({min(1, output.dim() - 1), output.dim() - 1}) if output.dim() else ():
        if output.shape[dim] <= MANY and output.numel() == count * output.shape[dim]:
            yield output.argmax(dim), int(output.shape[dim])
