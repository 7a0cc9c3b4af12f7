"""What Penlight costs a step that it does not look at, on a network so small that it shows.

    ./do bench overhead/between_looks

Steps of a bare training, of one whose steps get the sentinels, and of one whose steps coast
(`probe/coast.py`), each timed alone and in turns; the lowest twentieth of the steps says what the
work itself takes, whatever else the machine does. Prints a table in microseconds. `counted`: what
the probe thinks that such a step costs; what it does not count, no budget can hold.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from penlight.probe import Probe
from penlight.probe.schedule import Governor
from penlight.store.memory import MemorySink

ROUNDS, STEPS = 6, 400


class Idle(Governor):
    """A schedule without looks, after the first step."""

    sentinels = True

    def full(self, step: int, spent: float) -> bool:  # noqa: ARG002  # never, whatever was spent
        self.next_full = 10**9
        return False

    def light(self, step: int, spent: float) -> bool:  # noqa: ARG002
        self.next_light = 10**9
        return False

    def watchful(self, idle: float) -> bool:  # noqa: ARG002
        return self.sentinels


def step(model: nn.Module, optimizer: Any, x: Any, y: Any) -> float:
    """One training step; gives its seconds."""
    start = perf_counter()
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    return perf_counter() - start


def main() -> None:
    """Measure and print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x, y = torch.randn(8, 16), torch.randint(4, (8,))
    taken: dict[str, list[float]] = {"bare": [], "sentinels": [], "coasting": []}
    counted: dict[str, list[float]] = {form: [] for form in taken}
    for _ in range(ROUNDS):
        for form in taken:
            probe = None
            if form != "bare":
                probe = Probe(MemorySink())
                probe.start()
                assert probe.parts is not None
                governor = Idle()
                governor.sentinels = form == "sentinels"
                probe.parts.state.governor = governor
            for _ in range(50):
                step(model, optimizer, x, y)
            if probe is not None and probe.parts is not None:
                probe.parts.forward.off()
                probe.parts.forward.on = lambda: None  # type: ignore[method-assign]  # steps alone
            before = probe._ledger.cost if probe is not None else 0.0
            taken[form] += [step(model, optimizer, x, y) for _ in range(STEPS)]
            if probe is not None:
                counted[form].append((probe._ledger.cost - before) / STEPS)
                probe.finish(script_exit=None)
    print(
        f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC, {platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}\n"
    )
    print("| step | microseconds | beyond bare | counted |")
    print("|---|---|---|---|")
    base = 0.0
    for form, seconds in taken.items():
        lowest = sorted(seconds)[len(seconds) // 20] * 1e6
        base = base or lowest
        known = min(counted[form], default=0.0) * 1e6
        print(f"| {form} | {lowest:.0f} | {lowest - base:+.0f} | {known:.0f} |")


if __name__ == "__main__":
    main()
