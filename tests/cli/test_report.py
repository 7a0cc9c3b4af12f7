"""`penlight report`: what it finds, where it writes, what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penlight.cli.report import command
from penlight.core.facts import End, Header, Module
from penlight.core.vocabulary import LOSS, OUTPUT_GRAD
from penlight.errors import PenlightError
from penlight.store.writer import Writer


def record(root: Path, name: str, script: str = "train.py") -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    sink = Writer(folder / "rank0.seg")
    sink.event(Header(script=script, torch="2.13.0").to_event())
    for i in range(4):
        sink.event(Module(name=f"net.{i}", type="Linear", order=i).to_event())
        sink.points(OUTPUT_GRAD.name, f"net.{i}", range(30), [0.5 ** (3 - i)] * 30)
    sink.points(LOSS.name, "SGD#0", range(30), [1 / (i + 1) for i in range(30)])
    sink.event(End(script_exit=0, steps=30, seconds=1.0).to_event())
    sink.close()
    return folder


def report(*words: str | Path) -> None:
    command.main([str(x) for x in words], standalone_mode=False)


def test_the_newest_run_is_taken_and_named_after(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "runs", "20260101-000000-old-aaaa")
    record(tmp_path / "runs", "20260102-000000-new-bbbb")
    report("--dir", "runs")
    (written,) = tmp_path.glob("*.html")
    assert written.name == "20260102-000000-new-bbbb.html"
    said = capsys.readouterr().out
    assert written.name in said
    assert re.search(r"\(\d+ kB\)", said)
    assert "30 training steps" in written.read_text()


def test_a_part_of_the_name_a_folder_and_a_file_will_do(tmp_path):
    folder = record(tmp_path / "runs", "20260101-000000-old-aaaa")
    for i, words in enumerate(
        (["old", "--dir", tmp_path / "runs"], [folder], [folder / "rank0.seg"])
    ):
        report(*words, "-o", tmp_path / f"{i}.html")
        assert "30 training steps" in (tmp_path / f"{i}.html").read_text()


def test_two_runs_are_compared_by_their_scripts_names(tmp_path):
    record(tmp_path, "20260101-000000-a-aaaa", "before.py")
    record(tmp_path, "20260101-000001-b-bbbb", "after.py")
    out = tmp_path / "both.html"
    report("a-aaaa", "--compare", "b-bbbb", "--dir", tmp_path, "-o", out)
    text = out.read_text()
    assert text.count('class="versus-arm') == 2
    assert "before.py" in text
    assert "after.py" in text


def test_runs_of_one_script_are_told_apart_by_their_folders(tmp_path):
    record(tmp_path, "20260101-000000-a-aaaa")
    record(tmp_path, "20260101-000001-b-bbbb")
    out = tmp_path / "both.html"
    report("a-aaaa", "--compare", "b-bbbb", "--dir", tmp_path, "-o", out)
    assert "20260101-000001-b-bbbb" in out.read_text()


def test_a_fix_in_the_folder_is_shown(tmp_path):
    folder = record(tmp_path, "20260101-000000-a-aaaa")
    (folder / "fix.json").write_text('{"patch": "--- a\\n+++ b\\n@@ -1 +1 @@\\n-old\\n+new\\n"}')
    report(folder, "-o", tmp_path / "fix.html")
    assert "+new" in (tmp_path / "fix.html").read_text()


def test_what_cannot_be_done_is_said(tmp_path):
    record(tmp_path / "runs", "20260101-000000-a-aaaa")
    with pytest.raises(PenlightError, match="its folder does not exist"):
        report("--dir", tmp_path / "runs", "-o", tmp_path / "none" / "x.html")
    with pytest.raises(PenlightError, match="No run in"):
        report("nothing", "--dir", tmp_path / "runs")
    with pytest.raises(PenlightError, match="There are no runs"):
        report("--dir", tmp_path)


def test_reading_needs_no_torch(shell):
    record(shell.folder / ".penlight", "20260101-000000-a-aaaa")
    shell.hide_torch()
    result = shell.penlight("report", "-o", "r.html")
    assert result.returncode == 0, result.stderr
    assert (shell.folder / "r.html").exists()
