"""Watches comparisons of predictions with labels in evaluation passes that call no loss function.

`(model(x).argmax(1) == y).sum()` tells the accuracy to whoever sees both sides. Once a pass without
gradient has been seen, tensor equality (`==`, `Tensor.eq`, `torch.eq`) is watched between such a
pass and the next training pass. When one side is what the newest output says (its arg max, its
sign, its rounding), the other side are the labels. The user's comparison and its result are handed
through as is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.jit._builtins import _register_builtin

from penlight.core import facts as f
from penlight.probe.forward import Forward
from penlight.probe.guard import Patches
from penlight.probe.state import State, measurable, user_line
from penlight.signals.predictions import MANY, ROWS, Tally, count_classes

KEPT = 1 << 20  # elements of an output that is held until the next pass; larger ones are let go
SCRIPTED: list[Any] = []  # known to TorchScript by their id, which nobody else may get
FAR = 0.5  # apart in their share of known rows: the passes of one gap judge two sets of data


@dataclass
class Scored:
    """What one place has compared since the last training pass, known rows and new ones apart."""

    tallies: tuple[Tally, Tally] = field(default_factory=lambda: (Tally(), Tally()))
    shares: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    loose: int = 0


class Comparisons:
    """Accuracy of the evaluation passes whose loss nobody computes."""

    def __init__(self, state: State, forward: Forward, patches: Patches) -> None:
        self.state = state
        self.forward = forward
        self.patches = patches
        self.output: Tensor | None = None  # of the newest pass without gradient
        self.open = False  # such a pass was seen since the last training pass
        self.scored: dict[str, Scored] = {}
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
        for site, one in scored.items():
            for tally, share in separate(one):
                self.state.write(
                    f.Predictions(
                        phase="eval",
                        objective=site,
                        step=self.state.step,
                        samples=tally.counted,
                        accuracy=tally.right / tally.counted,
                        labels=tuple(tally.labels),
                        predicted=tuple(tally.predicted),
                        correct=tuple(tally.correct),
                        training_rows=share,
                        modules_training=one.loose,
                    )
                )
        self.forward.rows.share()  # begins to count anew

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
        if output is None or len(sides) != 2 or not self.state.room():
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
        one = self.scored.setdefault(f"accuracy@{user_line(4)}", Scored())
        share = self.forward.rows.newest
        known = share is not None and share >= FAR
        tally = one.tallies[known]
        if output.device.type != "cpu" and tally.counted > 16 * ROWS:
            return  # each count waits for the device
        count_classes(tally, labels, guesses, classes)
        if share is not None:
            one.shares[known].append(share)
        if self.forward.last_eval is not None:
            one.loose = len(self.forward.last_eval[1])


def separate(one: Scored) -> Iterator[tuple[Tally, float | None]]:
    """The tallies of a place with the share of known rows: two of them for two sets of data."""
    means = [sum(shares) / len(shares) if shares else None for shares in one.shares]
    new, known = means
    apart = new is not None and known is not None and known - new > FAR
    if apart:
        yield from zip(one.tallies, means, strict=True)
        return
    whole = Tally()
    for tally in one.tallies:
        whole.add(tally)
    shares = one.shares[0] + one.shares[1]
    if whole.counted:
        yield whole, sum(shares) / len(shares) if shares else None


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
