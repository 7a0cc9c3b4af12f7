"""The store against other ways to keep the same rows: speed, size, and what kill -9 costs.

    ./do bench store/alternatives           the table, into benchmarks/store/RESULTS.md
    ./do bench store/alternatives --quick   few steps and kills; to stdout

A step writes 256 random values (64 sites, 4 signals), and every 50th step hands on what is pending.
Each store is used as its own documentation advises for appending, without fsync. A store whose
package is missing is left out with a note. Speed is CPU time; the size is that of all files. For
the kills, a child writes until it is killed at a random moment; lost are the rows of steps that it
had handed on and that a reader does not find. Whether a second process can read meanwhile is tried
on the child before its death.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import mmap
import os
import platform
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from penlight.store.reader import parse
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

SITES = [f"encoder.layers.{i}.weight" for i in range(64)]
SIGNALS = ("grad_norm", "weight_norm", "update_ratio", "act_rms")
KEYS = [(signal, site) for signal in SIGNALS for site in SITES]
FLUSH = 50  # steps
HERE = Path(__file__).parent


class Store(ABC):
    """One way to keep rows of signal, site, step and value."""

    name = ""  # in the table
    needs = ""  # a package

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def write(self, step: int, values: list[float]) -> None:
        """Keep one value for each key."""

    @abstractmethod
    def flush(self) -> None:
        """Hand on what is pending."""

    @abstractmethod
    def close(self) -> None:
        """End the record."""

    @classmethod
    @abstractmethod
    def rows(cls, folder: Path) -> int:
        """Rows that a reader finds."""


class Segment(Store):
    """The frames of Penlight's own, a call a row."""

    name = "segment of Penlight's, a call a row"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.writer = Writer(folder / segment_name(0))

    def write(self, step: int, values: list[float]) -> None:
        for (name, site), value in zip(KEYS, values, strict=True):
            self.writer.points(name, site, (step,), (value,))

    def flush(self) -> None:
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()

    @classmethod
    def rows(cls, folder: Path) -> int:
        path = folder / segment_name(0)
        return sum(len(series) for series in parse(path.read_bytes(), "")[0].values())


class Columns(Segment):
    """The same as the probe hands its numbers on: those of one key together."""

    name = "segment of Penlight's, a call a key"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.pending: list[list[float]] = []
        self.last = -1

    def write(self, step: int, values: list[float]) -> None:
        self.pending.append(values)
        self.last = step

    def flush(self) -> None:
        steps = range(self.last + 1 - len(self.pending), self.last + 1)
        for (name, site), column in zip(KEYS, zip(*self.pending, strict=True), strict=False):
            self.writer.points(name, site, steps, column)
        self.pending = []
        self.writer.flush()

    def close(self) -> None:
        self.flush()
        super().close()


class Lines(Store):
    """Text."""

    name = "JSONL, a line a row"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = (folder / "run.jsonl").open("w", encoding="ascii")

    def write(self, step: int, values: list[float]) -> None:
        for (name, site), value in zip(KEYS, values, strict=True):
            row = {"signal": name, "site": site, "step": step, "value": value}
            self.file.write(json.dumps(row) + "\n")

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    @classmethod
    def rows(cls, folder: Path) -> int:
        lines = (folder / "run.jsonl").read_text(encoding="ascii").splitlines()
        return sum(line.endswith("}") for line in lines)


class Sqlite(Store):
    """A data base of the standard library."""

    name = "SQLite, WAL, synchronous=normal"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.base = sqlite3.connect(folder / "run.db", isolation_level=None)
        self.base.execute("pragma journal_mode=wal")
        self.base.execute("pragma synchronous=normal")
        self.base.execute("create table points (id int, step int, value real)")
        self.base.execute("begin")

    def write(self, step: int, values: list[float]) -> None:
        rows = [(number, step, value) for number, value in enumerate(values)]
        self.base.executemany("insert into points values (?, ?, ?)", rows)

    def flush(self) -> None:
        self.base.execute("commit")
        self.base.execute("begin")

    def close(self) -> None:
        self.base.execute("commit")
        self.base.close()

    @classmethod
    def rows(cls, folder: Path) -> int:
        base = sqlite3.connect(folder / "run.db")
        (count,) = base.execute("select count(*) from points").fetchone()
        base.close()
        return int(count)


class Batches(Store):
    """A store that takes a table of 50 steps at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.pending: list[tuple[int, list[float]]] = []

    def write(self, step: int, values: list[float]) -> None:
        self.pending.append((step, values))

    def columns(self) -> dict[str, Any]:
        """What is pending, by column."""
        steps = np.repeat(np.array([step for step, _ in self.pending], np.int64), len(KEYS))
        values = np.array([values for _, values in self.pending]).reshape(-1)
        ids = np.tile(np.arange(len(KEYS), dtype=np.int32), len(self.pending))
        self.pending = []
        return {"id": ids, "step": steps, "value": values}


class Duck(Batches):
    """A data base by columns."""

    name = "DuckDB, a table"

    needs = "duckdb"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import duckdb

        self.base = duckdb.connect(str(folder / "run.duckdb"))
        self.base.execute("create table points (id int, step bigint, value double)")

    def flush(self) -> None:
        if self.pending:
            self.base.register("fresh", self.columns())
            self.base.execute("insert into points select * from fresh")

    def close(self) -> None:
        self.flush()
        self.base.close()

    @classmethod
    def rows(cls, folder: Path) -> int:
        import duckdb

        with duckdb.connect(str(folder / "run.duckdb"), read_only=True) as base:
            return int(base.execute("select count(*) from points").fetchall()[0][0])


class Parquet(Batches):
    """A file by columns."""

    name = "Parquet, a row group a flush"

    needs = "pyarrow"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("id", pa.int32()), ("step", pa.int64()), ("value", pa.float64())])
        self.make = lambda columns: pa.table(columns, schema=schema)
        self.file = pq.ParquetWriter(folder / "run.parquet", schema)

    def flush(self) -> None:
        if self.pending:
            self.file.write_table(self.make(self.columns()))

    def close(self) -> None:
        self.flush()
        self.file.close()

    @classmethod
    def rows(cls, folder: Path) -> int:
        import pyarrow.parquet as pq

        return int(pq.ParquetFile(folder / "run.parquet").metadata.num_rows)


class Hdf(Batches):
    """Growing arrays."""

    name = "HDF5, growing data sets, SWMR"

    needs = "h5py"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import h5py

        self.file = h5py.File(folder / "run.h5", "w", libver="latest")
        kinds = {"id": "i4", "step": "i8", "value": "f8"}
        self.sets = {
            name: self.file.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(1 << 14,))
            for name, kind in kinds.items()
        }
        self.file.swmr_mode = True

    def flush(self) -> None:
        for name, values in self.columns().items():
            data = self.sets[name]
            data.resize((len(data) + len(values),))
            data[len(data) - len(values) :] = values
            data.flush()

    def close(self) -> None:
        self.flush()
        self.file.close()

    @classmethod
    def rows(cls, folder: Path) -> int:
        import h5py

        with h5py.File(folder / "run.h5", "r", libver="latest", swmr=True) as file:
            return min(len(file[name]) for name in ("id", "step", "value"))


WHY = """\
Why a format of our own: nothing that was handed on is lost, a second process reads while the
first one writes and takes no lock, it works on a network disk, and inside somebody's training it
needs the standard library alone. Parquet and HDF5 are fast because they take whole arrays: for
that the training would need a package that it did not ask for. Parquet has no record before its
end, and DuckDB locks readers out. SQLite loses nothing either, but its WAL needs a local disk.
docs/decisions/0003-one-segment-per-rank.md has the rest.
"""
STORES: tuple[type[Store], ...] = (Columns, Segment, Lines, Sqlite, Duck, Parquet, Hdf)


def values(step: int) -> list[float]:
    """The values of one step: random, so that no store is helped by repetition."""
    dice = random.Random(step)
    return [dice.random() for _ in KEYS]


def speed(kind: type[Store], steps: int) -> tuple[float, float]:
    """Rows a second of CPU time, and bytes a row; the best of three."""
    best, size = 0.0, 0.0
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="penlight-bench-") as name:
            folder = Path(name)
            rows = [values(step) for step in range(steps)]
            begun = time.process_time()
            store = kind(folder)
            for step, row in enumerate(rows):
                store.write(step, row)
                if step % FLUSH == FLUSH - 1:
                    store.flush()
            store.close()
            spent = time.process_time() - begun
            count = steps * len(KEYS)
            assert kind.rows(folder) == count
            best = max(best, count / spent)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / count
    return best, size


def read(kind: type[Store], folder: Path) -> int | None:
    """Rows that a process of its own finds; None when it cannot read."""
    command = [sys.executable, __file__, "--read", kind.__name__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else None


def killed(kind: type[Store], seconds: float) -> tuple[int, int | None, bool]:
    """Rows handed on before a kill; of these lost (None: all), and whether it was read before."""
    with tempfile.TemporaryDirectory(prefix="penlight-bench-") as name:
        folder, note = Path(name), mmap.mmap(-1, 8)
        child = os.fork()
        if child == 0:
            store, step = kind(folder), 0
            while True:
                store.write(step, values(step))
                step += 1
                if step % FLUSH == 0:
                    store.flush()
                    struct.pack_into("<q", note, 0, step)
        time.sleep(0.3)
        (before,) = struct.unpack_from("<q", note, 0)
        seen = read(kind, folder)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        (steps,) = struct.unpack_from("<q", note, 0)
        found = read(kind, folder)
        due = steps * len(KEYS)
        missing = None if found is None else max(due - found, 0)
        return due, missing, seen is not None and seen >= before * len(KEYS)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    kinds = {kind.__name__: kind for kind in STORES}
    if args.read:
        print(kinds[args.read[0]].rows(Path(args.read[1])))
        return
    steps, kills = (200, 2) if args.quick else (1000, 8)
    dice, rows, notes = random.Random(0), [], []
    for kind in STORES:
        try:
            version = f" {__import__(kind.needs).__version__}" if kind.needs else ""
        except ImportError:
            notes.append(f"Left out for want of {kind.needs}: {kind.name}.")
            continue
        fast, size = speed(kind, steps)
        trials = [killed(kind, 0.5 * dice.random()) for _ in range(kills)]
        lost = [due if missing is None else missing for due, missing, _ in trials]
        all_of_it = all(missing is None for _, missing, _ in trials)
        said = "everything" if all_of_it else f"{max(lost):,}"
        reading = sum(seen for *_, seen in trials)
        rows.append(
            f"| {kind.name}{version} | {fast:,.0f} | {size:.1f} | {said} | {reading} of {kills} |"
        )
        print(rows[-1], file=sys.stderr)
    now = f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC"
    lines = [
        "# The store against others",
        "",
        f"{now}; {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.",
        f"Python {platform.python_version()}; `./do bench store/alternatives`.",
        "",
        f"{steps:,} steps of {len(KEYS)} rows, handed on every {FLUSH} steps; {kills} kills each.",
        "Lost: rows that had been handed on, the most of any kill.",
        "",
        "| store | rows/s | bytes/row | rows lost to kill -9 | read meanwhile |",
        "|---|---|---|---|---|",
        *rows,
        *(f"\n{note}" for note in notes),
        "",
        WHY,
    ]
    text = "\n".join(lines)
    if args.quick:
        print(text)
    else:
        (HERE / "RESULTS.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
