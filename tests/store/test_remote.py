"""Runs at a URL: listed from their two ends, found by a condition, read as if they lay here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from penlight.cli import diagnose, report, runs
from penlight.cli import run as running
from penlight.core.facts import Blind, End, Header
from penlight.errors import PenlightError
from penlight.store import remote, schema
from penlight.store.folder import default_root, find_run, list_runs
from penlight.store.reader import load
from penlight.store.writer import Writer

fsspec = pytest.importorskip("fsspec")
memory = pytest.importorskip("fsspec.implementations.memory")

RUNS = (("20260101-000000-sick-aaaa", 500, "lr-too-high"), ("20260102-000000-well-bbbb", 9000, ""))


class Bucket(memory.MemoryFileSystem):  # type: ignore[misc]
    """An object store: keys and no folders; counts what it is asked for."""

    protocol = "bucket"
    store: dict[str, Any] = {}  # noqa: RUF012  # fsspec's own way
    pseudo_dirs: list[str] = [""]  # noqa: RUF012
    read = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("bucket://").strip("/")

    def cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
        data: bytes = super().cat_file(path, start, end, **kwargs)
        type(self).read += len(data)
        return data


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """Two diagnosed runs on this machine, one of them longer than its two ends."""
    for name, steps, alarm in RUNS:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        writer = Writer(folder / schema.segment_name(0))
        writer.event(Header(script=f"{name[16:20]}.py", world=1).to_event())
        for step in range(0, steps, 50):
            writer.points("loss", "SGD", range(step, step + 50), [float(steps - step)] * 50)
        writer.event(End(script_exit=0, steps=steps).to_event())
        writer.close()
        found = [{"pitfall": alarm, "severity": "warning"}] if alarm else []
        (folder / "diagnosis.json").write_text(json.dumps({"steps": steps, "findings": found}))
    return tmp_path / "runs"


@pytest.fixture(params=["file", "memory", "bucket"])
def url(request: pytest.FixtureRequest, local: Path) -> Iterator[str]:
    """The same runs at a URL."""
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    if request.param == "file":
        yield local.as_uri()
        return
    system = fsspec.filesystem(request.param)
    system.put(f"{local}/", "/lab/runs/", recursive=True)
    yield f"{request.param}://lab/runs"
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def test_a_list_of_runs_is_the_same_as_here(url: str, local: Path) -> None:
    there, here = list_runs(url), list_runs(local)
    assert [(i.name, i.script, i.steps, i.state, i.size) for i in there] == [
        (i.name, i.script, i.steps, i.state, i.size) for i in here
    ]
    assert [i.started for i in there] == [i.started for i in here]
    assert there[0].place == f"{url}/{there[0].name}"
    assert here[0].place == str(here[0].path)


def test_a_list_reads_no_more_than_the_ends(local: Path) -> None:
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    system, folder = fsspec.filesystem("bucket"), local / RUNS[0][0]
    writer = Writer(folder / schema.segment_name(1))
    for step in range(0, 200_000, 1000):
        writer.points("loss", "SGD", range(step, step + 1000), [1.0] * 1000)
    writer.close()
    (folder / schema.segment_name(0)).write_bytes(writer.path.read_bytes())
    system.put(f"{local}/", "/lab/runs/", recursive=True)
    Bucket.read = 0
    (info,) = (i for i in list_runs("bucket://lab/runs") if i.name == RUNS[0][0])
    system.store.clear()
    assert info.steps == 200_000
    assert info.size > 8_000_000
    assert Bucket.read < 800_000


def test_a_run_is_found_and_read(url: str, local: Path) -> None:
    for run in (
        load(find_run("sick", url)),
        load(find_run(f"{url}/{RUNS[0][0]}")),
        load(find_run(f"{url}/{RUNS[0][0]}/rank0.seg")),
    ):
        assert run.series("loss").steps.tolist() == list(range(500))
        assert run.steps == 500
        assert run.all(Blind) == []
    assert find_run("last", url).name == find_run("last", local).name == RUNS[1][0]


def test_conditions_and_reports_take_a_url(url: str, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")

    def said(verb: click.Command, *words: str) -> str:
        done = CliRunner().invoke(verb, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    rows = json.loads(said(runs.command, "--dir", url, "--where", "steps > 1000", "--json"))
    assert [(r["path"], r["diagnosis"]) for r in rows] == [(f"{url}/{RUNS[1][0]}", "healthy")]
    assert "lr-too-high" in said(runs.command, "--dir", url, "--where", "diagnosis = 'lr-too-high'")
    assert json.loads(said(diagnose.command, f"{url}/{RUNS[1][0]}", "--json"))["steps"] == 9000
    page = tmp_path / "page.html"
    said(report.command, "well", "--dir", url, "-o", str(page))
    assert page.stat().st_size > 1000


def test_what_is_wrong_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, words in (
        ("memory://nowhere", "no runs"),
        ("nonsense://lab/runs", "nonsense://lab/runs cannot be read"),
        ("file:///nowhere/at/all", "no runs"),
    ):
        with pytest.raises(PenlightError, match=words):
            find_run("last", place)
    with pytest.raises(PenlightError, match="no run at memory://nowhere/x"):
        find_run("memory://nowhere/x")
    assert list_runs("memory://nowhere") == []
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(PenlightError, match=r"pip install 'penlight\[remote\]'"):
        list_runs("s3://lab/runs")


def test_a_store_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(PenlightError, match=r"s3://lab cannot be read yet: .*s3fs"):
        list_runs("s3://lab")


def test_names_from_elsewhere_stay_in_their_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    system = fsspec.filesystem("bucket")
    system.pipe_file("/lab/runs/good/rank0.seg", b"x" * 10)
    listed = {f"/lab/runs/{p}": {"size": 10, "type": "file"} for p in
              ("../rank0.seg", "..\\evil/rank0.seg", "C:/rank0.seg", "good/rank0.seg")}  # fmt: skip
    monkeypatch.setattr(Bucket, "find", lambda *args, **kwargs: listed)
    assert [info.name for info in list_runs("bucket://lab/runs")] == ["good"]
    system.store.clear()


def test_runs_are_written_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(running.command, ["--dir", "s3://lab/runs", "train.py"])
    assert done.exit_code == 2
    assert "written on this machine" in done.output
    monkeypatch.setenv("PENLIGHT_DIR", "s3://lab/runs")
    with pytest.raises(PenlightError, match="written on this machine"):
        default_root()


def test_a_path_is_no_url() -> None:
    assert not any(map(remote.is_url, ("C://x", "/tmp/runs", "runs", "a:b", Path("s3://x"))))
    assert all(map(remote.is_url, ("s3://b", "file:///x", "memory://")))
