"""Keeps, inside of an arm, what the loss functions were given: outputs beside targets.

A call whose loss is differentiated belongs to training; one without a gradient, or whose gradient
nobody asks for, to evaluation. Everything kept is a bounded copy.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from penlight.probe.objective import ARGUMENTS, WATCHED
from penlight.signals.predictions import CLASSES

if TYPE_CHECKING:
    from torch import Tensor

    from penlight.probe import Probe

CALL = 1 << 14  # numbers kept of one training call
ROWS = 64  # rows kept of one training call
CALLS = 1024  # training calls kept of one site; beyond, every second one goes
PASS = 1 << 20  # numbers kept of one evaluation pass
PASS_ROWS = 20_000
PASSES = 64  # evaluation passes kept; beyond, every second one goes
WIDEST = 4096  # classes; above, a row is cut to its own class and the best other one
FEW = 16  # weights that go into the digest after a step
DEPTH = 6  # frames that tell one evaluation from another

Rows = npt.NDArray[np.float32]


@dataclass
class Call:
    """Rows of outputs and of targets of one call, as the loss function got them."""

    step: int
    x: Rows  # rows x columns
    y: Rows  # rows x columns; one column for class indices


@dataclass
class Site:
    """One place that calls a loss function."""

    name: str
    phase: str
    calls: list[Call] = field(default_factory=list)
    stride: int = 1
    seen: int = 0
    room: int = PASS

    def train(self, call: Call) -> None:
        """Keep every so many calls, so that the whole run is covered evenly."""
        if self.seen % self.stride == 0:
            self.calls.append(call)
            if len(self.calls) > CALLS:
                self.calls = self.calls[::2]
                self.stride *= 2
        self.seen += 1

    def evaluate(self, call: Call) -> None:
        """Add to the pass of this step, as far as there is room."""
        if not self.calls or self.calls[-1].step != call.step:
            self.room = PASS
            self.calls.append(call)
            if len(self.calls) > PASSES:
                self.calls = self.calls[::-2][::-1]
        else:
            last = self.calls[-1]
            if last.x.shape[1:] != call.x.shape[1:] or last.y.shape[1:] != call.y.shape[1:]:
                return
            if self.room <= 0 or len(last.x) >= PASS_ROWS:
                return
            self.calls[-1] = Call(
                call.step, np.concatenate([last.x, call.x]), np.concatenate([last.y, call.y])
            )
        self.room -= call.x.size + call.y.size


class Samples:
    """Watches the loss functions of one arm; `attach` once the probe is there."""

    def __init__(self) -> None:
        self.sites: dict[tuple[str, ...], Site] = {}
        self.step = 0
        self.closed = False
        self._digest = blake2b(digest_size=16)
        self._waiting: dict[object, tuple[tuple[str, ...], Call]] = {}
        self._named = False
        self._within = False
        self._optimizers: dict[int, int] = {}
        self._probe: Probe | None = None
        self._undo: list[Callable[[], None]] = []

    def attach(self, probe: Probe) -> None:
        """Watch from now on, around whatever the probe has put on the same functions."""
        import functools

        import torch
        from torch.nn import functional
        from torch.optim.optimizer import register_optimizer_step_post_hook

        for name in WATCHED:
            wrapped = self._wrap(name, getattr(functional, name))
            functools.update_wrapper(wrapped, getattr(functional, name))
            original = getattr(functional, name)
            wrapped.__prepare_scriptable__ = lambda original=original: original  # type: ignore[attr-defined]
            setattr(functional, name, wrapped)
            self._undo.append(functools.partial(setattr, functional, name, original))

        def stepped(optimizer: Any, *_: Any) -> None:
            if self.closed or torch.compiler.is_compiling():
                return
            count = self._optimizers.get(id(optimizer), 0) + 1
            self._optimizers[id(optimizer)] = count
            self._evaluations()
            self.step = max(self.step, count)
            with contextlib.suppress(Exception):  # of no use to anybody, but never in the way
                self._weights(optimizer, count)

        self._undo.append(register_optimizer_step_post_hook(stepped).remove)
        self._probe, finish = probe, probe.finish

        def finished(*args: Any, **kwargs: Any) -> None:
            self.close()  # the experiments that follow are not the script's
            finish(*args, **kwargs)

        setattr(probe, "finish", finished)  # noqa: B010  # for this one probe
        if probe.parts is not None:
            inner = probe.parts.training.on_walk

            def walked(graph: Any) -> None:
                if inner is not None:
                    inner(graph)
                self._by_hand(graph)

            probe.parts.training.on_walk = walked

    def _wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        def watched(*args: Any, **kwargs: Any) -> Any:
            if self.closed or self._within or torch.compiler.is_compiling():
                return original(*args, **kwargs)
            self._within = True
            try:
                result = original(*args, **kwargs)
            finally:
                self._within = False
            given = dict(zip(ARGUMENTS[name], args, strict=False)) | kwargs
            gradients = torch.is_grad_enabled()
            with torch.no_grad():
                self._take(name, given, result, gradients)
            return result

        return watched

    def _take(self, name: str, given: dict[str, Any], result: Any, gradients: bool) -> None:
        import torch

        x, y = given.get("input"), given.get("target")
        if not all(isinstance(t, torch.Tensor) and not t.is_meta for t in (x, y, result)):
            return
        if int(torch._C._current_graph_task_id()) != -1:  # recomputed in the backward pass
            return
        if not result.requires_grad and gradients:
            return  # a term that was cut off from the graph, or a metric
        if not result.requires_grad:
            call = _rows(name, x, y, given, self.step, PASS_ROWS, PASS)
            if call is not None:
                self._site(name, "eval", _stack(2)).evaluate(call)
            return
        self._named = True
        call = _rows(name, x, y, given, self.step, ROWS, CALL)
        node = result.grad_fn
        if call is None or node is None:
            return
        place = _stack(2)
        key = object()  # not the node's id: a node that nobody holds leaves it to the next one
        if len(self._waiting) >= CALLS:
            self._waiting.pop(next(iter(self._waiting)))
        self._waiting[key] = ((name, *place), call)

        def differentiated(*_: Any) -> None:
            found = self._waiting.pop(key, None)
            if found is not None:
                self._train(name, place[:1], found[1])

        node.register_prehook(differentiated)

    def _train(self, name: str, place: tuple[str, ...], call: Call) -> None:
        self._digest.update(call.x.tobytes())
        self._site(name, "train", place).train(call)

    def _site(self, name: str, phase: str, place: tuple[str, ...]) -> Site:
        key = (name, phase, *place)
        if key not in self.sites:
            self.sites[key] = Site(name, phase)
        return self.sites[key]

    def _weights(self, optimizer: Any, count: int) -> None:
        """Add a few weights to the digest, of another tensor after each step.

        A loss by hand may show its outputs only once, before anything has been learnt.
        """
        held = [p for group in optimizer.param_groups for p in group["params"]]
        if held and not held[count % len(held)].is_complex():
            some = held[count % len(held)].detach().reshape(-1)[:FEW]
            self._digest.update(some.float().cpu().numpy().tobytes())

    def _evaluations(self) -> None:
        """Losses that nobody differentiated before the weights moved were looked at only.

        In a script that never calls backward() they are those of its training.
        """
        waiting, self._waiting = self._waiting, {}
        training = bool(waiting) and self._without_backward()
        for (name, *place), call in waiting.values():
            if training:
                self._train(name, tuple(place[:1]), call)
            else:
                self._site(name, "eval", tuple(place)).evaluate(call)

    def _without_backward(self) -> bool:
        parts = self._probe.parts if self._probe is not None else None
        return parts is not None and parts.state.step > 0 and not parts.state.backwards

    def _by_hand(self, graph: Any) -> None:
        """A loss that the script computes itself, where the probe can tell which one it is."""
        from penlight.probe.handwritten import recognise

        named, self._named = self._named, False
        if named or self.closed:
            return
        found = recognise(graph)
        if found is None:
            return
        call = _rows(found.name, found.prediction, found.target, {}, self.step, ROWS, CALL)
        if call is not None:
            self._train(found.name, ("by hand",), call)

    def detach(self) -> None:
        """Take everything off again, before the probe does: where the process lives on."""
        self.close()
        while self._undo:
            self._undo.pop()()

    def close(self) -> None:
        """The training is over."""
        if not self.closed:
            self.closed = True
            self._evaluations()
            if self._probe is not None and self._probe.parts is not None:
                # The step that reached the horizon ended before our hook saw it.
                self.step = max(self.step, self._probe.parts.state.step)

    def save(self, path: Path) -> str:
        """Write everything kept; returns a digest that tells whether two arms did the same."""
        self.close()
        arrays: dict[str, npt.NDArray[Any]] = {}
        for i, site in enumerate(self.sites.values()):
            shapes = {(c.x.shape[1], c.y.shape[1]) for c in site.calls}
            if len(shapes) > 1:  # sequences of several lengths, say: the commonest form counts
                kept = max(
                    shapes, key=lambda s: sum((c.x.shape[1], c.y.shape[1]) == s for c in site.calls)
                )
                site.calls = [c for c in site.calls if (c.x.shape[1], c.y.shape[1]) == kept]
            if not site.calls:
                continue
            label = f"{i}|{site.phase}|{site.name}"
            arrays[f"x|{label}"] = np.concatenate([c.x for c in site.calls])
            arrays[f"y|{label}"] = np.concatenate([c.y for c in site.calls])
            arrays[f"s|{label}"] = np.array([(c.step, len(c.x)) for c in site.calls], np.int64)
            if site.phase == "eval":
                self._digest.update(arrays[f"x|{label}"].tobytes())
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub has one more keyword
        return self._digest.hexdigest() if arrays or self._optimizers else ""


def _rows(
    name: str, x: Tensor, y: Tensor, given: dict[str, Any], step: int, rows: int, numbers: int
) -> Call | None:
    """The rows of one call; None where outputs and targets cannot be laid side by side."""
    import torch

    x, y = x.detach(), y.detach()
    if not x.numel() or x.is_complex() or x.layout is not torch.strided:
        return None
    if name in CLASSES or name == "multi_margin_loss":
        if x.dim() == 1:
            x, y = x[None], y[None]
        columns = x.shape[1]
        x = x.movedim(1, -1).reshape(-1, columns)
        if y.is_floating_point():
            y = y.movedim(1, -1).reshape(-1, y.shape[1] if y.dim() > 1 else 1)
        else:
            y = y.reshape(-1, 1)
            keep = (y[:, 0] != given.get("ignore_index", -100)) & (y[:, 0] >= 0)
            if not bool(keep.all()):
                x, y = x[keep], y[keep]
    elif name == "ctc_loss" or x.numel() != y.numel():
        return None
    else:
        # A column of a matrix keeps its meaning; anything else is a heap of numbers.
        shape = x.shape if x.dim() >= y.dim() else y.shape
        wide = len(shape) == 2 and shape[1] > 1
        x, y = (t.reshape(shape if wide else (-1, 1)) for t in (x, y))
    if len(x) != len(y) or not len(x):
        return None
    if x.shape[1] > WIDEST and y.shape[1] == 1 and name in CLASSES:
        x, y = _cut(x[:rows], y[:rows])
    most = max(1, min(rows, numbers // (x.shape[1] + y.shape[1])))
    return Call(step, _numbers(x[:most]), _numbers(y[:most]))


def _cut(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Two columns a row: log-odds of the right class against all others, and of the best other."""
    import torch

    logs = x.float().log_softmax(1)
    right = logs.gather(1, y.long())
    others = logs.scatter(1, y.long(), -torch.inf).amax(1, keepdim=True)
    return torch.cat([right, others], 1), torch.zeros_like(y)


def _numbers(x: Tensor) -> Rows:
    copied: Rows = x.to("cpu", copy=True).float().numpy()
    return copied


def _stack(depth: int) -> tuple[str, ...]:
    """The innermost lines of the user's own code that lead here."""
    frame: FrameType | None = sys._getframe(depth)
    found: list[str] = []
    while frame is not None and len(found) < DEPTH:
        name = frame.f_code.co_filename
        if "site-packages" not in name and "dist-packages" not in name and _OWN not in name:
            found.append(f"{name}:{frame.f_lineno}")
        frame = frame.f_back
    return tuple(found)


_OWN = str(Path(__file__).parents[1])
