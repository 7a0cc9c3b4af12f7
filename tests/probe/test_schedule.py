"""When to look: the governor on its own, and what a run keeps from late steps."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.probe import Probe  # noqa: E402
from penlight.probe.schedule import DENSE, GLIMPSES, Governor  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


def test_glimpses_are_as_many_in_each_doubling() -> None:
    governor = Governor()
    steps = [step for step in range(8192) if governor.glimpse(step, spent=0.0)]
    assert steps[0] == DENSE
    counts = [sum(start <= s < 2 * start for s in steps) for start in (512, 1024, 2048, 4096)]
    assert max(counts) - min(counts) <= 1
    assert 0.5 * GLIMPSES < counts[0] <= GLIMPSES


def test_glimpses_go_on_until_nothing_is_left() -> None:
    governor = Governor(budget=0.0)
    assert governor.glimpse(DENSE, spent=governor.allowance - 0.01)
    assert not governor.glimpse(2 * DENSE, spent=governor.allowance + 0.01)


@pytest.mark.parametrize("shifted", [False, True])
def test_late_rows_are_compared_with_held_out_ones_though_no_late_step_was_looked_at(
    shifted: bool,
) -> None:
    torch.manual_seed(0)
    sink = MemorySink()
    probe = Probe(sink, budget=0.01)
    probe.start()
    assert probe.parts is not None
    governor = probe.parts.state.governor
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(1200, 6)
    y = x[:, :3].argmax(1)
    for step in range(300):
        if step == DENSE:  # from here on there is no room for looks
            governor.next_full = governor.next_light = 10**6
        rows = torch.randint(800, (32,))
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        F.cross_entropy(net(x[800:] * (16.0 if shifted else 1.0)), y[800:])
    probe.finish(0)
    exam = sink.run().exam("shift")
    assert exam is not None
    assert (exam.values["z"] > 10) == shifted
