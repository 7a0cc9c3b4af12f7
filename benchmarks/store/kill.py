"""What kill -9 costs a record: trainings killed at random moments, steps lost counted.

    ./do bench store/kill                  the table, into benchmarks/store/RESULTS-kill.md
    ./do bench store/kill --trials 5       of each pace; to stdout

A child of its own trains a small network under the probe and notes after each step, in memory that
it shares with its parent, that the step is done and when. The parent kills it at a random moment
and reads what is on the disk. Lost are the steps that were done and are not in the record; `ms`
is the time from the first lost step to the kill. A record must load, give every value as it was
noted, and be diagnosed without a fault; one that does not ends the benchmark.
"""

from __future__ import annotations

import argparse
import datetime as dt
import mmap
import os
import platform
import random
import signal
import statistics
import struct
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from penlight.diagnosis import diagnose
from penlight.errors import PenlightError
from penlight.probe import Probe
from penlight.store.folder import list_runs
from penlight.store.reader import load
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

PACES = (0.0, 0.003, 0.03)  # seconds that a step waits, besides its own 0.3 ms
LONGEST = 2.0  # seconds until the kill, at most
STEPS = 100_000  # notes that there is room for
NOTE = struct.Struct("<dd")  # when a step was done, and its loss


def train(folder: Path, pace: float, notes: mmap.mmap, steps: int = STEPS) -> None:
    """Train under the probe until killed, and note each step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    probe = Probe(Writer(folder / segment_name(0)))
    probe.start()
    for step in range(steps):
        x = torch.randn(16, 8)
        loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        NOTE.pack_into(notes, 8 + step * NOTE.size, time.monotonic(), loss.item())
        struct.pack_into("<q", notes, 0, step + 1)
        if pace:
            time.sleep(pace)
    probe.finish(None)


def trial(pace: float, seconds: float) -> tuple[int, int, float] | None:
    """Kill one training: steps done, steps lost, milliseconds lost; None: too early for a record.

    Raises:
        AssertionError: the record does not say what happened.
    """
    with tempfile.TemporaryDirectory(prefix="penlight-kill-") as root:
        folder = Path(root) / "run"
        folder.mkdir()
        notes = mmap.mmap(-1, 8 + STEPS * NOTE.size)
        child = os.fork()
        if child == 0:
            train(folder, pace, notes)
            os._exit(0)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        killed = time.monotonic()
        os.waitpid(child, 0)
        (done,) = struct.unpack_from("<q", notes, 0)
        assert 0 <= done < STEPS
        try:
            run = load(folder)
        except PenlightError:
            assert not done, "steps were done and there is no record"
            return None
        assert [info.state for info in list_runs(Path(root))] == ["crashed"]
        assert not diagnose(run).faults
        series = run.series("loss")
        assert series.steps.tolist() == list(range(len(series)))
        noted = [NOTE.unpack_from(notes, 8 + i * NOTE.size) for i in range(done)]
        for value, (_, loss) in zip(series.values.tolist(), noted, strict=False):
            assert value == loss, "a value that never was"
        lost = max(done - len(series), 0)
        return done, lost, 1e3 * (killed - noted[done - lost][0]) if lost else 0.0


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, help="of each pace; 100 unless told")
    parser.add_argument("--out", type=Path, help="where the table goes; stdout with --trials")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:  # what torch loads with its first step
        train(Path(folder), 0.0, mmap.mmap(-1, 1 << 10), steps=8)
    dice = random.Random(0)
    rows = []
    for pace in PACES:
        trials = [trial(pace, LONGEST * dice.random()) for _ in range(args.trials or 100)]
        found = [each for each in trials if each is not None]
        steps, times = sorted(f[1] for f in found), sorted(f[2] for f in found)
        if not found:
            raise SystemExit("every training was killed before it had a record: more --trials")
        rows.append(
            f"| {1e3 * pace:g} ms | {len(trials)} | {len(trials) - len(found)} | "
            f"{statistics.median(f[0] for f in found):.0f} | {statistics.median(steps):.0f} / "
            f"{steps[-1]} | {statistics.median(times):.0f} / {times[-1]:.0f} |"
        )
    now = f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC"
    text = (
        f"""# What kill -9 costs a record

{now}; {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python
{platform.python_version()}, torch {torch.__version__}; `./do bench store/kill`.

Trainings killed at a random moment within {LONGEST:g} seconds. Every record that was begun could
be loaded, held the very losses of the training without a gap, and was diagnosed.

| wait in a step | kills | before a record | steps done, median | steps lost, median / most | \
ms lost, median / most |
|---|---|---|---|---|---|
"""
        + "\n".join(rows)
        + "\n"
    )
    out = args.out or (None if args.trials else Path(__file__).parent / "RESULTS-kill.md")
    if out is None:
        print(text)
    else:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
