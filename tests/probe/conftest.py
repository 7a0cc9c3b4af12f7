"""A training of standardised rows, and what its model is asked afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor

    from penlight.core.run import Run


@pytest.fixture
def ask() -> Callable[..., Run]:
    """Trains on (rows, columns) of mean 0 and spread 1, then asks about the batches."""
    torch = pytest.importorskip("torch")
    from penlight.probe import Probe
    from penlight.store.memory import MemorySink

    def run(batches: Sequence[Tensor], *, columns: int, rows: int, steps: int) -> Run:
        torch.manual_seed(0)
        layers = (torch.nn.Linear(columns, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        net, sink = torch.nn.Sequential(*layers), MemorySink()
        probe = Probe(sink, budget=10.0)
        probe.start()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            net(torch.randn(rows, columns)).square().mean().backward()
            optimizer.step()
        with torch.no_grad():
            for x in batches:
                net(x)
        probe.finish(0)
        return sink.run()

    return run
