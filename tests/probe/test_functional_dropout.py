"""The strongest F.dropout of a training, and who called it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402  # torch's own name for it

from penlight.core.facts import Hygiene  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


class Net(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.fc, self.p = nn.Linear(4, 4), p

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(F.dropout(self.fc(x), 0.1, self.training), self.p, self.training)


def trained(p: float, evaluation: bool = False) -> Hygiene:
    net, sink = Net(p), MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    net.train(not evaluation)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
    probe.finish(0)
    return sink.run().hygiene


def test_the_largest_p_and_its_line() -> None:
    seen = trained(0.8)
    assert seen.functional_dropout == 0.8
    assert seen.functional_dropout_source.startswith("test_functional_dropout.py:")
    assert trained(0.05).functional_dropout == 0.1


def test_what_is_off_does_not_count() -> None:
    assert trained(0.8, evaluation=True).functional_dropout == 0.0
