"""`penlight run --track`: the trackers of an unmodified script get light, updates and findings."""

from __future__ import annotations

import sqlite3
from importlib.util import find_spec
from typing import Any

import pytest

from penlight.integrations.histories import read

pytest.importorskip("torch")


def needs(name: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install 'penlight[{name}]'")


def test_tensorboard_and_unchanged_results(task: Any, process: Any) -> None:
    needs("tensorboard")
    script = task.examples / "trackers.py"
    bare = process.python(script, "tensorboard")
    own = read(process.folder / "board").values["loss"]
    done = process.penlight("run", "--track", script, "tensorboard")
    assert done.returncode == 0, done.stderr
    assert done.stdout == bare.stdout
    assert "Warning" not in done.stderr
    written = read(process.folder / "board")
    assert written.values["loss"] == own
    assert 0 < next(iter(written.values["penlight/light"].values())) < 10
    assert 0 < next(iter(written.values["penlight/update_ratio"].values())) < 1
    assert list(written.values["penlight/findings"].values()) == [1.0]
    assert list(written.values["penlight/critical"].values()) == [1.0]
    assert "penlight/text_summary" in written.other


def test_wandb_offline(task: Any, process: Any) -> None:
    needs("wandb")
    done = process.penlight("run", "--track", task.examples / "trackers.py", "wandb")
    assert done.returncode == 0, done.stderr
    folder = next((process.folder / "wandb").glob("offline-run-*"))
    written = read(folder)
    assert len(written.values["loss"]) == 8
    assert "penlight/light" in written.values
    assert list(written.values["penlight/findings"].values()) == [1.0]
    pages = list((folder / "files" / "media" / "html").rglob("*.html"))
    assert [p for p in pages if "double-softmax" in p.read_text()]


def test_mlflow(task: Any, process: Any) -> None:
    needs("mlflow")
    done = process.penlight("run", "--track", task.examples / "trackers.py", "mlflow")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(process.folder / "mlflow.db") as base:
        rows = base.execute("select key, value from metrics").fetchall()
        tags = dict(base.execute("select key, value from tags").fetchall())
    names = [key for key, _ in rows]
    assert names.count("loss") == 8
    assert "penlight/light" in names
    assert ("penlight/findings", 1.0) in rows
    assert tags["penlight.causes"] == "double-softmax"
    pages = [p for p in process.folder.rglob("report.html") if "penlight" in p.parts]
    assert "double-softmax" in pages[0].read_text()


def test_without_a_tracker_nothing_is_written(task: Any, process: Any) -> None:
    done = process.penlight("run", "--track", task.examples / "trackers.py", "sound")
    assert done.returncode == 0, done.stderr
    assert "found nothing wrong" in done.stderr
    assert [x.name for x in process.folder.iterdir()] == [".penlight"]
