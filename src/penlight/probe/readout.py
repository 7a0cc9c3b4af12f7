"""Numbers on their way from the device to the store, without making the training wait.

A measurement is a 0-dim tensor. It is kept by reference with its signal, site and step, and read
in batches: at once on a CPU, and on an accelerator by one asynchronous copy whose event is
polled at later steps, never waited for while the training runs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from penlight.core.vocabulary import Signal

if TYPE_CHECKING:
    from penlight.probe.sink import Sink

Key = tuple[str, str, int]
BATCH = 256  # measurements worth a copy from an accelerator
LIMIT = 200_000  # measurements waiting at most; beyond, the oldest copy is waited for


class Readout:
    """Collects measurements and writes them to the sink.

    Args:
        sink: where finished numbers go.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: list[tuple[Key, Tensor]] = []
        self._flying: list[tuple[list[Key], Tensor, Any]] = []
        self.last: dict[str, float] = {}  # newest value of each signal, for the progress line

    def add(self, signal: Signal, site: str, step: int, value: Tensor | float) -> None:
        """Keep one measurement; a tensor may live on any device and need not be ready."""
        if isinstance(value, Tensor):
            self._waiting.append(((signal.name, site, step), value.detach()))
        else:
            self._write([(signal.name, site, step)], [value])

    def poll(self, force: bool = False) -> None:
        """Write what is ready; with `force` wait for everything."""
        if self._waiting:
            on_cpu = self._waiting[0][1].device.type == "cpu"
            if on_cpu or force or len(self._waiting) >= BATCH:
                self._launch()
        while self._flying:
            keys, host, event = self._flying[0]
            if event is not None and not force and not event.query():
                if sum(len(k) for k, _, _ in self._flying) < LIMIT:
                    return
                event.synchronize()
            elif event is not None and force:
                event.synchronize()
            self._flying.pop(0)
            self._write(keys, host.tolist())

    def _launch(self) -> None:
        by_device: dict[torch.device, list[tuple[Key, Tensor]]] = defaultdict(list)
        for key, value in self._waiting:
            by_device[value.device].append((key, value))
        self._waiting = []
        for device, entries in by_device.items():
            wide = torch.float32 if device.type == "mps" else torch.float64
            stacked = torch.stack([v.reshape(()).to(wide) for _, v in entries])
            keys = [key for key, _ in entries]
            if device.type == "cuda":
                host = torch.empty(stacked.shape, dtype=wide, device="cpu", pin_memory=True)
                host.copy_(stacked, non_blocking=True)
                event = torch.cuda.Event()
                event.record(torch.cuda.current_stream(device))
                self._flying.append((keys, host, event))
            else:
                self._flying.append((keys, stacked.cpu(), None))

    def _write(self, keys: list[Key], values: list[float]) -> None:
        grouped: dict[tuple[str, str], tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        for (signal, site, step), value in zip(keys, values, strict=True):
            steps, column = grouped[signal, site]
            steps.append(step)
            column.append(value)
            self.last[signal] = value
        for (signal, site), (steps, column) in grouped.items():
            self._sink.points(signal, site, steps, column)
