"""What watching costs a training that goes on, in one process: stretches with it and without.

    ./do bench overhead/in_place      into benchmarks/overhead/RESULTS-in-place.md (20 minutes)

Two processes that run the same training differ by one or two percent, by where their memory lies
(`measure.py`, `bare again`). Here one process trains on, and Penlight is put on and taken off. The
allowance of one second is not measured: each stretch begins when the first looks are over, and from
then on Penlight spends all that its budget lets it. `off again` is the null comparison. A row's
interval is a bootstrap over the pairs of stretches, which follow one another in random order.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import random
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from measure import ratio, workload
from torch.nn import functional as F

from penlight.probe import Probe
from penlight.probe.schedule import DENSE, EXAM, IDLE
from penlight.store.memory import MemorySink

HERE = Path(__file__).parent
SECONDS, PAIRS = 8.0, 16
FORMS = ("off", "off again", "on")


def block(step: Callable[[], None], steps: int, *, watched: bool) -> tuple[float, float]:
    """CPU seconds that so many steps take, and what Penlight's own clocks saw of them."""
    probe = None
    if watched:
        probe = Probe(MemorySink())
        probe.start()
    for _ in range(DENSE + 8):
        step()
    before = 0.0
    if probe is not None:
        assert probe.parts is not None
        governor = probe.parts.state.governor
        before = probe._ledger.cost
        governor.allowance = EXAM + before  # all of it is spent, and nothing is owed
        governor.started = perf_counter()
        probe.parts.state.idle = IDLE * governor.allowance
    start = process_time()
    for _ in range(steps):
        step()
    taken = process_time() - start
    own = 0.0
    if probe is not None:
        own = probe._ledger.cost - before
        probe.finish(script_exit=None)
    return taken, own


def measure(name: str, pairs: int, seconds: float) -> list[str]:
    """Rows of a table."""
    model, optimizer, deal = workload(name, quick=False)

    def step() -> None:
        optimizer.zero_grad()
        x, y = deal()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    taken, _ = block(step, 20, watched=False)
    steps = max(20, round(seconds / taken * 20))
    found: dict[str, list[float]] = {form: [] for form in FORMS}
    share = []
    order: list[str] = list(FORMS)
    for _ in range(pairs):
        random.shuffle(order)
        for form in order:
            cpu, own = block(step, steps, watched=form == "on")
            found[form].append(cpu)
            if form == "on":
                share.append(own / cpu)
    rows = []
    for form in FORMS[1:]:
        own_share = f"{statistics.mean(share):.2%}" if form == "on" else ""
        between = ratio(found[form], found["off"])
        rows.append(f"| {name} | {steps} | {form} | {between} | {own_share} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure the three workloads and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=["mlp", "resnet", "transformer"])
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    args: Any = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(1)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE,
    ).stdout.strip()
    lines = [
        "# What watching costs a training that goes on, in one process",
        "",
        (
            f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit}, "
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
            f"Python {platform.python_version()}, torch {torch.__version__}, one thread."
        ),
        "Command: `./do bench overhead/in_place`",
        "",
        (
            f"{args.pairs} stretches of {args.seconds:.0f} s each way; ratio of CPU time to `off` "
            "with a 95% interval. `own`: what Penlight's own clocks say."
        ),
        "",
        "| model | steps | form | ratio | own |",
        "|---|---|---|---|---|",
    ]
    for name in args.only:
        lines += measure(name, args.pairs, args.seconds)
    (HERE / "RESULTS-in-place.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
