"""What a very long and wide run leaves on the disk, and how soon it is read and diagnosed.

    ./do bench store/long_run

Lets the probe's own schedule choose the steps of runs of a million steps and 1,000 sites, and of
10,000 steps and 300 sites, with all the budget it wants, and writes what a look would write
through the real writer. Then a process of its own loads each run and diagnoses it. Prints a table.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from penlight.core.facts import End, Header, Module, Optimizer, Parameter
from penlight.probe.schedule import Governor
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

RUNS = ((10_000, 300), (1_000_000, 1_000))
FULL = ("output_grad", "act_rms", "act_absmax", "dependence")
LIGHT = ("grad_norm", "update_ratio", "weight_norm", "travel")


def write(folder: Path, steps: int, sites: int) -> tuple[int, int]:
    """Write a run; gives the numbers of full and of light looks."""
    writer = Writer(folder / segment_name(0))
    layers = [f"blocks.{i // 8}.{i % 8}" for i in range(sites)]
    facts = [
        Header(script="train.py"),
        Optimizer(type="AdamW", lr=1e-3),
        *(Module(name=n, type="Linear", order=i) for i, n in enumerate(layers)),
        *(Parameter(name=f"{n}.weight", shape=(8, 8), module=n) for n in layers),
    ]
    for fact in facts:
        writer.event(fact.to_event())
    governor = Governor(budget=1e9)
    full = light = 0
    dice = random.Random(0)
    losses: list[float] = []
    for step in range(steps):
        losses.append(2.3 / (1 + step / 5000) + 0.01 * dice.random())
        if len(losses) == 64:
            writer.points("loss", "AdamW#0", range(step - 63, step + 1), losses)
            losses = []
        if step < governor.due:
            continue
        looked = governor.full(step, 0.0)
        read = governor.light(step, 0.0) or looked
        governor.sentinel(step, watchful=False)
        full, light = full + looked, light + read
        value = 1 + 0.1 * dice.random()
        for names, taken, suffix in ((FULL, looked, ""), (LIGHT, read, ".weight")):
            for layer in layers if taken else ():
                for name in names:
                    writer.points(name, layer + suffix, (step,), (value,))
    writer.event(End(script_exit=0, steps=steps, seconds=steps * 0.1).to_event())
    writer.close()
    return full, light


def read(folder: Path) -> dict[str, float]:
    """CPU seconds for loading and for diagnosing, and the peak memory in MB."""
    from penlight.diagnosis import diagnose
    from penlight.store.reader import load

    begin = time.process_time()
    run = load(folder)
    loaded = time.process_time()
    diagnose(run)
    return {
        "load": loaded - begin,
        "diagnose": time.process_time() - loaded,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(Path(sys.argv[2]))))
        return
    print(
        f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC, {platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python "
        f"{platform.python_version()}; CPU seconds\n"
    )
    print("| steps x sites | full looks | light looks | disk | load | diagnose | reader's memory |")
    print("|---|---|---|---|---|---|---|")
    for steps, sites in RUNS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            full, light = write(folder, steps, sites)
            size = (folder / segment_name(0)).stat().st_size / 2**20
            command = [sys.executable, __file__, "--read", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            took = json.loads(done.stdout)
            print(
                f"| {steps:,} x {sites:,} | {full} | {light} | {size:.0f} MB "
                f"| {took['load']:.1f} s | {took['diagnose']:.1f} s | {took['memory']:.0f} MB |"
            )


if __name__ == "__main__":
    main()
