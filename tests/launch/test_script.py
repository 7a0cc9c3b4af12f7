"""A script run in this process, which stays as it was."""

from __future__ import annotations

import sys
import threading
from textwrap import dedent

import pytest

from penlight.core.facts import End, Header
from penlight.errors import PenlightError
from penlight.launch import Target, run_script
from penlight.launch.script import Outcome
from penlight.store.memory import MemorySink


@pytest.fixture(autouse=True)
def no_torch(monkeypatch):
    """These scripts have nothing to do with torch, whatever other tests have imported."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def script(tmp_path):
    def run(text, *args, **options):
        path = tmp_path / "s.py"
        path.write_text(dedent(text))
        sink = MemorySink()
        return run_script(Target("path", str(path)), args, sink, **options), sink.run()

    return run


def test_the_record_has_both_ends_without_torch(script):
    outcome, run = script("import sys; sys.exit(3)", "--lr", "1")
    assert outcome == Outcome(3)
    assert (run.last(Header).argv, run.last(End).script_exit) == (("--lr", "1"), 3)


def test_everything_is_put_back(script):
    before = (sys.argv, sys.path, sys.orig_argv, sys.modules["__main__"], threading.excepthook)
    contents = [list(sys.argv), list(sys.path), list(sys.meta_path)]
    script("import sys, threading; sys.path.clear(); sys.argv = []; threading.excepthook = print")
    assert (sys.argv, sys.path, sys.orig_argv, sys.modules["__main__"]) == before[:4]
    assert threading.excepthook is before[4]
    assert [list(sys.argv), list(sys.path), list(sys.meta_path)] == contents


def test_many_in_one_process(script):
    for status in range(5):
        assert script(f"raise SystemExit({status})")[0].exit_code == status


def test_an_error_in_one_line(script, capsys):
    outcome, run = script("raise ValueError('first\\nsecond')")
    assert outcome == Outcome(1, "ValueError: first")
    assert run.last(End).error == "ValueError: first"
    assert "penlight/launch" not in capsys.readouterr().err


def test_an_error_of_penlight_in_the_script_is_the_scripts(script, capsys):
    outcome, _ = script("from penlight.errors import PenlightError; raise PenlightError('mine')")
    assert outcome.exit_code == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_broken_excepthook_falls_back_on_pythons(script, capsys, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    script("import sys\nsys.excepthook = None\nraise KeyError('shown')")
    assert "KeyError: 'shown'" in capsys.readouterr().err


def test_an_interrupt(script):
    assert script("raise KeyboardInterrupt")[0] == Outcome(130, "KeyboardInterrupt")


def test_a_target_that_cannot_run_is_refused(tmp_path):
    main = sys.modules["__main__"]
    with pytest.raises(PenlightError):
        run_script(Target("path", str(tmp_path / "none.py")), [], MemorySink())
    assert sys.modules["__main__"] is main


def test_a_fault_of_the_sink_costs_nothing(tmp_path):
    class Broken(MemorySink):
        def event(self, event):
            raise OSError("full")

    (tmp_path / "s.py").write_text("")
    assert run_script(Target("path", str(tmp_path / "s.py")), [], Broken()) == Outcome(0)
