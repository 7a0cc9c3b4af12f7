"""Sizes of what a model is given in training, and without gradient."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there

from penlight.core import facts as f  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


def asked(*batches: Tensor) -> list[f.Scales]:
    """Train on inputs of size 1, then ask about the batches."""
    torch.manual_seed(0)
    net, sink = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(12):
        optimizer.zero_grad()
        net(torch.randn(16, 4)).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        for x in batches:
            net(x)
    probe.finish(0)
    return sink.run().all(f.Scales)


def test_inputs_far_off() -> None:
    (seen,) = asked(torch.randn(8, 4), 255 * torch.randn(8, 4), 255 * torch.randn(8, 4))
    assert (seen.usual, seen.between, seen.far, seen.rows) == (1, 0, 2, 16)
    assert seen.batches == 12
    assert 0.7 < seen.trained_low <= seen.trained_high < 1.4
    assert 150 < seen.low <= seen.high < 400
    (seen,) = asked(0.001 * torch.randn(8, 4), 8 * torch.randn(8, 4))
    assert (seen.between, seen.far) == (1, 1)


def test_inputs_as_usual_and_constants() -> None:
    assert asked(torch.randn(8, 4), torch.zeros(8, 4), torch.full((8, 4), 1e6)) == []
