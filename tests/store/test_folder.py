"""Run folders: made, found by a piece of their name, listed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from penlight.core import facts as f
from penlight.errors import PenlightError
from penlight.store import folder as folder_module
from penlight.store import schema
from penlight.store.folder import find_run, list_runs, new_run_folder
from penlight.store.reader import load
from penlight.store.writer import Writer


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENLIGHT_DIR", raising=False)
    monkeypatch.setattr(folder_module, "_fallback_root", lambda: tmp_path / "fallback")


def make(name: str, *events: f.Fact, root: Path = Path(".penlight"), points: int = 0) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    writer = Writer(folder / schema.segment_name(0))
    for event in events:
        writer.event(event.to_event())
    for step in range(points):
        writer.points("loss", "SGD", (step,), (1.0,))
    writer.close()
    return folder.absolute()


def test_new_folder_is_named_after_time_and_script_and_ignored_by_git(tmp_path: Path) -> None:
    folder = new_run_folder(None, "src/train.py")
    assert folder.parent == tmp_path / ".penlight"
    assert re.fullmatch(r"\d{8}-\d{6}-train-[0-9a-f]{4}", folder.name)
    assert (tmp_path / ".penlight/.gitignore").read_text() == "*\n"
    assert new_run_folder(None, "src/train.py") != folder


def test_environment_names_another_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENLIGHT_DIR", str(tmp_path / "elsewhere"))
    assert new_run_folder(None, "train.py").parent == tmp_path / "elsewhere"


def test_a_folder_of_the_users_own_gets_no_gitignore(tmp_path: Path) -> None:
    new_run_folder(tmp_path, "train.py")
    assert not (tmp_path / ".gitignore").exists()


@pytest.mark.parametrize(
    "script",
    ["", "...", "/", "a/b\nc.py", "\udcff.py", "x" * 500, "日本語.py", "-rf", "pkg.mod", "\0"],
)
def test_any_script_name_makes_a_folder_inside_the_root(tmp_path: Path, script: str) -> None:
    folder = new_run_folder(tmp_path, script)
    assert folder.is_dir()
    assert folder.parent == tmp_path
    assert "\n" not in folder.name


def test_unwritable_root_falls_back_and_is_found_there(tmp_path: Path) -> None:
    (tmp_path / ".penlight").write_text("a file in the way")
    folder = new_run_folder(None, "train.py")
    assert folder.parent == tmp_path / "fallback"
    Writer(folder / schema.segment_name(0)).close()
    assert find_run() == folder


def test_nowhere_to_write(tmp_path: Path) -> None:
    (tmp_path / ".penlight").write_text("a file in the way")
    (tmp_path / "fallback").write_text("another")
    with pytest.raises(PenlightError, match="set PENLIGHT_DIR"):
        new_run_folder(None, "train.py")


def test_find_by_path_name_prefix_and_part() -> None:
    one = make("20260101-000000-train-aaaa")
    two = make("20260102-000000-tune-bbbb")
    assert find_run(str(one)) == one
    assert find_run(str(one / "rank0.seg")) == one / "rank0.seg"
    assert find_run("20260101-000000-train-aaaa") == one
    assert find_run("20260101") == one
    assert find_run("tune") == two
    assert find_run("bbbb") == two


def test_exact_name_beats_a_longer_one() -> None:
    short = make("base")
    make("base-2")
    assert find_run("base") == short


def test_last_is_the_newest_by_its_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penlight.store.writer.time.time", lambda: 2000.0)
    newest = make("a")
    monkeypatch.setattr("penlight.store.writer.time.time", lambda: 1000.0)
    make("z")
    assert find_run("last") == find_run() == newest
    assert [info.name for info in list_runs()] == ["a", "z"]


@pytest.mark.parametrize("text", ["nothing", "\0", "x" * 5000, "/", ".."])
def test_no_match(text: str) -> None:
    make("20260101-000000-train-aaaa")
    with pytest.raises(PenlightError, match="No run in"):
        find_run(text)


def test_several_matches_are_named() -> None:
    make("20260101-000000-train-aaaa")
    make("20260102-000000-train-bbbb")
    with pytest.raises(PenlightError, match=r"2 runs in .* match 'train'.*aaaa.*bbbb"):
        find_run("train")


def test_no_runs_at_all() -> None:
    assert list_runs() == []
    with pytest.raises(PenlightError, match="There are no runs in"):
        find_run()


def test_list_tells_script_steps_state_and_size() -> None:
    header = f.Header(script="train.py")
    make("ok", header, f.End(steps=12, script_exit=0))
    make("failed", header, f.End(steps=3, script_exit=1, error="ValueError: x"))
    running = make("running", header, points=7)
    infos = {info.name: info for info in list_runs()}
    assert infos["ok"].state == "finished"
    assert infos["ok"].steps == 12
    assert infos["ok"].script == "train.py"
    assert infos["failed"].state == "crashed"
    assert infos["running"].state == "running"
    assert infos["running"].steps == 7
    assert infos["running"].path == running
    assert infos["running"].size == (running / "rank0.seg").stat().st_size


def test_a_killed_run_is_crashed() -> None:
    folder = Path(".penlight/killed")
    folder.mkdir(parents=True)
    code = (
        "import os, sys; from pathlib import Path; from penlight.store.writer import Writer;"
        "w = Writer(Path(sys.argv[1])); w.points('loss', '', (4,), (1.0,)); w.flush(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, folder / "rank0.seg"], check=False)
    (info,) = list_runs()
    assert (info.state, info.steps) == ("crashed", 5)


def test_a_silent_run_of_another_machine_is_crashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penlight.store.writer.platform.node", lambda: "elsewhere")
    folder = make("remote")
    monkeypatch.undo()
    assert list_runs(folder.parent)[0].state == "running"
    os.utime(folder / "rank0.seg", (1e9, 1e9))
    assert list_runs(folder.parent)[0].state == "crashed"


def test_a_long_run_is_listed_from_its_two_ends(tmp_path: Path) -> None:
    folder = make("long", f.Header(script="long.py"), points=60_000)
    assert (folder / "rank0.seg").stat().st_size > 4 * folder_module.PEEK
    (info,) = list_runs()
    assert (info.script, info.steps) == ("long.py", 60_000)
    assert load(folder).steps == 60_000


def test_hostile_ends_do_not_break_the_list() -> None:
    folder = Path(".penlight/hostile")
    folder.mkdir(parents=True)
    origin = b'{"pid":-1e999,"host":[],"time":"x"}'
    data = schema.frame(schema.HEADER, schema.SCHEMA.pack(schema.MAGIC, 1) + origin)
    data += schema.frame(schema.EVENT, b'{"fact":"end","steps":NaN,"script_exit":[]}')
    data += schema.frame(schema.POINTS, b"123")
    (folder / "rank0.seg").write_bytes(data + schema.MARK * 300_000)
    (info,) = list_runs()
    assert info.steps == 0
