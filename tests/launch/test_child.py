"""What happens in the processes below a command."""

from __future__ import annotations

import sys

import pytest

from penlight.core.facts import Header, Optimizer
from penlight.core.vocabulary import LOSS
from penlight.launch import child
from penlight.store.reader import load


def test_nothing_is_left_by_a_process_that_never_trains(tmp_path):
    sink = child.LateSink(tmp_path / "run")
    sink.event(Header().to_event())
    sink.points("loss", "", [0], [1.0])
    sink.flush()
    sink.close()
    assert not sink.opened
    assert list(tmp_path.iterdir()) == []


def test_the_first_step_brings_out_what_came_before(tmp_path):
    sink = child.LateSink(tmp_path / "run")
    sink.event(Header(script="train.py").to_event())
    sink.points("loss", "", [0], [2.0])
    sink.event(Optimizer(type="SGD").to_event())
    sink.points("loss", "", [1], [1.0])
    sink.close()
    run = load(tmp_path / "run")
    assert run.header.script == "train.py"
    assert run.optimizers[0].type == "SGD"
    assert run.series(LOSS).values.tolist() == [2.0, 1.0]


def test_patience_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "PATIENCE", 3)
    sink = child.LateSink(tmp_path / "run")
    for step in range(10):
        sink.points("loss", "", [step], [1.0])
    sink.event(Optimizer().to_event())
    sink.close()
    run = load(tmp_path / "run")
    assert len(run.series(LOSS)) == 3
    assert len(run.optimizers) == 1


@pytest.mark.parametrize(
    ("line", "helper"),
    [
        (["python", "train.py", "--lr", "1"], False),
        (["python", "-c", "import train"], False),
        (["python", "-c", "from multiprocessing.spawn import x", "--multiprocessing-fork"], False),
        (["python", "-s", "-c", "from multiprocessing.resource_tracker import main;main(6)"], True),
        (["python", "-c", "from multiprocessing.forkserver import main; main(7)"], True),
    ],
)  # fmt: skip
def test_helpers_are_known_by_their_command_line(line, helper):
    assert child.is_helper(line) is helper


def test_a_penlight_run_below_a_command_takes_over(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "train.py"])
    monkeypatch.setenv(child.FOLDER, "somewhere")
    monkeypatch.setenv(child.BUDGET, "0.02")
    child.disarm()
    before = list(sys.meta_path)
    child.arm()
    assert sys.meta_path == before
