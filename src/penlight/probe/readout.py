"""Numbers on their way from the device to the store, without making the training wait.

A measurement is a 0-dim tensor. It is kept by reference with its signal, site and step, and read
in batches: at once on a CPU, and on an accelerator by one asynchronous copy whose event is
polled at later steps, never waited for while the training runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from penlight.core.vocabulary import Signal

if TYPE_CHECKING:
    from penlight.probe.sink import Sink

Key = tuple[str, str, int]
BATCH = 256  # measurements worth a copy from an accelerator
HELD = 64  # finished numbers kept before they are handed to the sink together ...
SECONDS = 0.5  # ... or this long: what a kill -9 can cost
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
        self._columns: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        self._held = 0
        self._written = monotonic()

    def add(self, signal: Signal, site: str, step: int, value: Tensor | float) -> None:
        """Keep one measurement; a tensor may live on any device and need not be ready."""
        if isinstance(value, Tensor):
            if value.is_cpu:
                self._keep(signal.name, site, step, value.item())
                return
            if value.is_meta:
                return  # a tensor without data
            self._waiting.append(((signal.name, site, step), value.detach()))
        else:
            self._keep(signal.name, site, step, value)

    def add_each(self, signal: Signal, sites: Sequence[str], step: int, values: Tensor) -> None:
        """Keep one measurement for each site, out of a vector."""
        if values.is_cpu:
            for site, value in zip(sites, values.tolist(), strict=True):
                self._keep(signal.name, site, step, value)
        else:
            for site, one in zip(sites, values.unbind(), strict=True):
                self.add(signal, site, step, one)

    def poll(self, force: bool = False) -> None:
        """Write what is ready; with `force` wait for everything."""
        if self._waiting:
            on_cpu = self._waiting[0][1].device.type == "cpu"
            if on_cpu or force or len(self._waiting) >= BATCH:
                self._launch()
        while self._flying:
            keys, host, event = self._flying[0]
            if event is not None and not event.query():
                if not force and sum(len(k) for k, _, _ in self._flying) < LIMIT:
                    break
                event.synchronize()
            self._flying.pop(0)
            for (signal, site, step), value in zip(keys, host.tolist(), strict=True):
                self._keep(signal, site, step, value)
        if force or self._held >= HELD or monotonic() - self._written > SECONDS:
            self._write()

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

    def _keep(self, signal: str, site: str, step: int, value: float) -> None:
        column = self._columns.get((signal, site))
        if column is None:
            column = self._columns[signal, site] = ([], [])
        column[0].append(step)
        column[1].append(value)
        self.last[signal] = value
        self._held += 1

    def _write(self) -> None:
        for (signal, site), (steps, values) in self._columns.items():
            if steps:
                self._sink.points(signal, site, steps, values)
        self._columns = {}
        self._held = 0
        self._written = monotonic()
