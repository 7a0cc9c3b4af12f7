"""What recurrent layers are given: a past, or a single step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there

from penlight.core import facts as f  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

STEPS = 12


def lone(layer: nn.RNNBase, call: Callable[[nn.RNNBase], Tensor]) -> tuple[int, int]:
    """Calls of a layer in training, and those with one step and no state."""
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        call(layer).square().mean().backward()
        optimizer.step()
    probe.finish(0)
    facts = sink.run().all(f.Carried)
    return (facts[0].calls, facts[0].lone) if facts else (0, 0)


def two_calls(gru: nn.RNNBase) -> Tensor:
    """A loop over time: the first call is given no state, the second one has it."""
    output, state = gru(torch.randn(8, 1, 3))
    later: Tensor = gru(torch.randn(8, 1, 3), state)[0]
    return later + output


def test_one_step_and_no_past() -> None:
    assert lone(nn.LSTM(3, 4, batch_first=True), lambda x: x(torch.randn(8, 1, 3))[0]) == (12, 12)
    assert lone(nn.GRU(3, 4), lambda x: x(torch.randn(1, 8, 3))[0]) == (12, 12)


@pytest.mark.parametrize(
    "call",
    [
        lambda gru: gru(torch.randn(8, 5, 3))[0],
        lambda gru: gru(torch.randn(8, 1, 3), torch.randn(1, 8, 4))[0],
        two_calls,
    ],
    ids=["a sequence", "a state is given", "called step by step"],
)
def test_a_past(call: Callable[[nn.RNNBase], Tensor]) -> None:
    assert lone(nn.GRU(3, 4, batch_first=True), call) == (0, 0)
