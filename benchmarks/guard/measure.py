"""What `penlight run --guard` costs: CPU time of its hooks beside that of the training they guard.

    ./do bench guard/measure

Each training runs in turn with SGD and Adam, 200 steps, one thread, seed 0; the hooks' own time is
summed inside of it, so that a busy machine slows both alike. Prints a table in Markdown, of which
benchmarks/guard/RESULTS.md is the newest.
"""

from __future__ import annotations

import datetime as dt
import platform
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from penlight.launch.guard import Guard
from penlight.probe import Probe
from penlight.store.memory import MemorySink

STEPS = 200


class Timed(Guard):
    """A guard that adds up the CPU seconds of its hooks."""

    spent = 0.0

    def _careful(self, check: Callable[[Any], None]) -> Callable[..., None]:
        hook = super()._careful(check)

        def timed(*args: Any) -> None:
            began = time.thread_time()
            hook(*args)
            self.spent += time.thread_time() - began

        return timed


def mlp(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(x for _ in range(depth) for x in (nn.Linear(width, width), nn.ReLU())))


def trainings() -> dict[str, tuple[Callable[[], nn.Module], Tensor]]:
    """Model and inputs by name; the targets are zeros."""
    return {
        "MLP, 64 wide, 3 layers": (lambda: mlp(64, 3), torch.randn(32, 64)),
        "MLP, 512 wide, 12 layers": (lambda: mlp(512, 12), torch.randn(64, 512)),
        "MLP, 1024 wide, 20 layers": (lambda: mlp(1024, 20), torch.randn(64, 1024)),
        "convolutions, batch norm": (
            lambda: nn.Sequential(
                nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3),
                nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
            ),
            torch.randn(32, 3, 32, 32),
        ),
    }  # fmt: skip


def measure(model: nn.Module, inputs: Tensor, kind: type[torch.optim.Optimizer]) -> str:
    optimizer = kind(model.parameters(), lr=1e-5)  # type: ignore[call-arg]  # both have it
    targets = torch.zeros_like(model(inputs))
    # The probe hardly looks: what is measured is the guard beside the training.
    probe = Probe(MemorySink(), budget=0.001)
    probe.start()
    guard = Timed("skip", 0.25)
    guard.start(probe)
    began = time.thread_time()
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), targets).backward()
        optimizer.step()
    whole = time.thread_time() - began
    guard.stop()
    probe.finish()
    each, own = 1e3 * (whole - guard.spent) / STEPS, 1e3 * guard.spent / STEPS
    return f"{each:.2f} | {own:.2f} | {100 * own / each:.1f}%"


def main() -> None:
    torch.set_num_threads(1)
    now = dt.datetime.now(dt.UTC).date()
    print(f"torch {torch.__version__}, {platform.machine()}, one thread, {STEPS} steps, {now}.\n")
    print("| training | parameters | optimiser | step, ms | guard, ms | share |")
    print("|---|---|---|---|---|---|")
    for name, (make, inputs) in trainings().items():
        for kind in (torch.optim.SGD, torch.optim.Adam):
            torch.manual_seed(0)
            model = make()
            count = sum(p.numel() for p in model.parameters())
            row = measure(model, inputs, kind)
            print(f"| {name} | {count:,} | {kind.__name__} | {row} |", flush=True)


if __name__ == "__main__":
    main()
