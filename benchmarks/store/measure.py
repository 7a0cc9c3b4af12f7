"""What the store costs: microseconds and bytes a point when writing, seconds when reading.

    python benchmarks/store/measure.py

The numbers stand in docs/decisions/0003-one-segment-per-rank.md. All times are CPU time, the best
of five for writing, the best of three for reading, with the files in the page cache.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from penlight.store.folder import list_runs
from penlight.store.reader import load
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

SITES = 300
SIGNALS = ("grad_norm", "weight_norm", "update_ratio")
STEPS = 10_000


def best(times: int, measure: Callable[[Path], float]) -> float:
    """The lowest result of a measurement, each in an empty folder."""
    results = []
    for _ in range(times):
        folder = Path(tempfile.mkdtemp(prefix="penlight-bench-"))
        results.append(measure(folder))
        shutil.rmtree(folder)
    return min(results)


def one_point_a_call(folder: Path) -> float:
    """Microseconds for a call with one point."""
    writer = Writer(folder / segment_name(0))
    calls = 200_000
    begun = time.thread_time()
    for step in range(calls):
        writer.points("loss", "SGD", (step,), (0.5,))
    writer.flush()
    return (time.thread_time() - begun) / calls * 1e6


def many_points_a_call(folder: Path) -> float:
    """Microseconds for each point of a call with 64."""
    writer = Writer(folder / segment_name(0))
    calls, steps, values = 5_000, tuple(range(64)), (0.5,) * 64
    begun = time.thread_time()
    for _ in range(calls):
        writer.points("loss", "SGD", steps, values)
    writer.flush()
    return (time.thread_time() - begun) / calls / 64 * 1e6


def flush_a_step(folder: Path) -> float:
    """Microseconds for a step that writes one point and flushes."""
    writer = Writer(folder / segment_name(0))
    steps = 20_000
    begun = time.thread_time()
    for step in range(steps):
        writer.points("loss", "SGD", (step,), (0.5,))
        writer.flush()
    return (time.thread_time() - begun) / steps * 1e6


def one_event(folder: Path) -> float:
    """Microseconds for an event of ten fields."""
    writer = Writer(folder / segment_name(0))
    event = {"fact": "module", **{f"field{i}": i * 0.5 for i in range(9)}}
    calls = 20_000
    begun = time.thread_time()
    for _ in range(calls):
        writer.event(event)
    writer.flush()
    return (time.thread_time() - begun) / calls * 1e6


def sqlite_point(folder: Path) -> float:
    """Microseconds for a point as a row of SQLite in WAL mode, 1000 to a transaction."""
    base = sqlite3.connect(folder / "run.db", isolation_level=None)
    base.execute("pragma journal_mode=wal")
    base.execute("pragma synchronous=normal")
    base.execute("create table points (id int, step int, value real)")
    calls = 50_000
    begun = time.thread_time()
    for step in range(calls):
        if step % 1000 == 0:
            base.execute("begin")
        base.execute("insert into points values (?, ?, ?)", (1, step, 0.5))
        if step % 1000 == 999:
            base.execute("commit")
    spent = time.thread_time() - begun
    base.close()
    return spent / calls * 1e6


def jsonl_point(folder: Path) -> float:
    """Microseconds for a point as a line of JSON."""
    calls = 50_000
    with (folder / "run.jsonl").open("w") as file:
        begun = time.thread_time()
        for step in range(calls):
            file.write(json.dumps({"signal": "loss", "site": "SGD", "step": step, "value": 0.5}))
        return (time.thread_time() - begun) / calls * 1e6


def reading() -> None:
    """Write a long run, then time `load` and `list_runs` on it."""
    root = Path(tempfile.mkdtemp(prefix="penlight-bench-"))
    folder = root / "long"
    folder.mkdir()
    writer = Writer(folder / segment_name(0))
    writer.event({"fact": "header", "script": "train.py"})
    sites = [f"encoder.layers.{i}.weight" for i in range(SITES)]
    for step in range(STEPS):
        for signal in SIGNALS:
            for site in sites:
                writer.points(signal, site, (step,), (0.5,))
    writer.close()
    points = STEPS * SITES * len(SIGNALS)
    size = (folder / segment_name(0)).stat().st_size
    print(f"bytes a point                        {size / points:8.2f}")
    times = []
    for _ in range(3):
        begun = time.process_time()
        load(folder)
        times.append(time.process_time() - begun)
    print(f"load {points / 1e6:.0f} M points, {size / 1e6:.0f} MB (s)        {min(times):8.2f}")
    begun = time.process_time()
    list_runs(root)
    print(f"list_runs, that run without end (ms) {(time.process_time() - begun) * 1e3:8.2f}")
    shutil.rmtree(root)


def main() -> None:
    """Print the table."""
    for measure in (
        one_point_a_call,
        many_points_a_call,
        flush_a_step,
        one_event,
        sqlite_point,
        jsonl_point,
    ):
        print(f"{measure.__name__ + ' (us)':36} {best(5, measure):8.2f}", flush=True)
    reading()


if __name__ == "__main__":
    main()
