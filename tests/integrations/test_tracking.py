"""`penlight run --track`: the trackers of an unmodified script get light, updates and findings."""

from __future__ import annotations

import json
import sqlite3
from importlib.util import find_spec
from typing import Any

import pytest

from penlight.integrations.histories import read

torch = pytest.importorskip("torch")


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


def spoilt(task: Any, process: Any) -> Any:
    """The example with a NaN after some steps, and another half of it to come."""
    text = (task.examples / "trackers.py").read_text()
    line = "loss = F.cross_entropy(model(x), y)"
    assert line in text
    script = process.folder / "spoilt.py"
    script.write_text(text.replace(line, f'{line} * (1 if step < 60 else float("nan"))'))
    return script


@pytest.mark.parametrize("quiet", [False, True])
def test_a_nan_is_told_to_the_tracker_at_once(task: Any, process: Any, quiet: bool) -> None:
    needs("tensorboard")
    words = ["run", "--track", *(["--quiet"] if quiet else [])]
    done = process.penlight(*words, spoilt(task, process), "tensorboard")
    assert done.returncode == 0, done.stderr
    alerts = read(process.folder / "board").other
    assert "penlight/alerts/text_summary" in alerts
    assert ("a NaN or infinity appeared" in done.stderr) != quiet


def test_a_framework_s_session_tells_it_too(task: Any) -> None:
    from penlight.integrations.session import Session

    told: list[tuple[str, int]] = []
    session = Session(alert=lambda text, step: told.append((text, step)))
    session.start("spoilt")
    model = task.network(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = task.points(0)
    for step in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        (loss * (float("nan") if step == 9 else 1.0)).backward()
        optimizer.step()
        assert bool(told) == (step >= 9)
    session.finish()
    ((text, step),) = told
    assert "a NaN or infinity appeared" in text
    assert step in (9, 10)


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
    # mlflow-skinny has no database driver, and MLflow keeps files only when asked twice.
    store = process.folder / "store"
    process.env |= {"MLFLOW_TRACKING_URI": store.as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    done = process.penlight("run", "--track", task.examples / "trackers.py", "mlflow")
    assert done.returncode == 0, done.stderr
    run = next(store.glob("0/*/metrics")).parent
    values = {x.name: x.read_text().split() for x in (run / "metrics" / "penlight").iterdir()}
    assert len((run / "metrics" / "loss").read_text().splitlines()) == 8
    assert 0 < float(values["light"][1]) < 10
    assert 0 < float(values["update_ratio"][1]) < 1
    assert float(values["findings"][1]) == 1.0
    assert (run / "tags" / "penlight.causes").read_text() == "double-softmax"
    assert "double-softmax" in (run / "artifacts" / "penlight" / "report.html").read_text()


def test_a_nan_is_a_tag_of_mlflow(task: Any, process: Any) -> None:
    needs("mlflow")
    store = process.folder / "store"
    process.env |= {"MLFLOW_TRACKING_URI": store.as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    done = process.penlight("run", "--track", spoilt(task, process), "mlflow")
    assert done.returncode == 0, done.stderr
    (tag,) = store.glob("0/*/tags/penlight.alert")
    assert "step 6" in tag.read_text()


def test_without_a_tracker_nothing_is_written(task: Any, process: Any) -> None:
    done = process.penlight("run", "--track", task.examples / "trackers.py", "sound")
    assert done.returncode == 0, done.stderr
    assert "found nothing wrong" in done.stderr
    assert [x.name for x in process.folder.iterdir()] == [".penlight"]


def test_trackio(task: Any, process: Any) -> None:
    needs("trackio")
    process.env["TRACKIO_DIR"] = str(process.folder / "own")
    done = process.penlight("run", "--track", task.examples / "trackers.py", "trackio")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(next((process.folder / "own").glob("*.db"))) as base:
        rows = [json.loads(text) for (text,) in base.execute("select metrics from metrics")]
    assert sum("loss" in row for row in rows) == 8
    assert any("penlight/light" in row for row in rows)
    assert [row["penlight/findings"] for row in rows if "penlight/findings" in row] == [1.0]


def test_a_nan_is_an_alert_of_trackio(task: Any, process: Any) -> None:
    needs("trackio")
    process.env["TRACKIO_DIR"] = str(process.folder / "own")
    done = process.penlight("run", "--track", spoilt(task, process), "trackio")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(next((process.folder / "own").glob("*.db"))) as base:
        ((title, text, level),) = base.execute("select title, text, level from alerts")
    assert (title, level) == ("penlight", "error")
    assert "a NaN or infinity appeared" in text


def test_a_command_cannot_be_tracked_and_the_way_out_is_said(process: Any) -> None:
    done = process.penlight("run", "--track", "--", "python", "train.py")
    assert done.returncode == 2
    assert "--track follows one script" in done.stderr
