"""What goes in comes out, from disk and from memory alike."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penlight.core import facts as f
from penlight.core.run import Run
from penlight.store import schema
from penlight.store.memory import MemorySink
from penlight.store.reader import load
from penlight.store.writer import BUFFER, Sink, Writer

texts = st.text(max_size=20)  # lone surrogates and control characters included


def fill(sink: Sink) -> None:
    sink.event(f.Header(script="train.py", argv=("--lr", "0.1"), world=1).to_event())
    sink.event(f.Graph(ops=(f.Op("MseLoss", inputs=(1,)), f.Op("Addmm", (4, 2)))).to_event())
    for step in range(20):
        sink.points("loss", "SGD", (step,), (1.0 / (step + 1),))
    sink.points("grad_norm", "0.weight", [0, 10], [math.nan, math.inf])
    sink.event(f.End(steps=20, script_exit=0).to_event())


def written(path: Path) -> Run:
    writer = Writer(path)
    fill(writer)
    writer.close()
    return load(path)


def kept() -> Run:
    sink = MemorySink()
    fill(sink)
    return sink.run()


def test_run_comes_back_from_disk(tmp_path: Path) -> None:
    run = written(tmp_path / "rank0.seg")
    assert run.header.argv == ("--lr", "0.1")
    assert run.graphs[0].ops[1] == f.Op("Addmm", (4, 2))
    assert run.series("loss").steps.tolist() == list(range(20))
    assert run.series("loss").values[3] == 0.25
    assert run.end == f.End(steps=20, script_exit=0)
    assert not run.all(f.Blind)


def test_memory_and_disk_give_the_same_run(tmp_path: Path) -> None:
    disk, memory = written(tmp_path / "rank0.seg"), kept()
    assert disk.facts == memory.facts
    for signal in ("loss", "grad_norm"):
        assert disk.sites(signal) == memory.sites(signal)
        one, other = disk.series(signal), memory.series(signal)
        assert one.steps.tobytes() == other.steps.tobytes()
        assert one.values.tobytes() == other.values.tobytes()


def test_nan_and_infinity_survive(tmp_path: Path) -> None:
    values = written(tmp_path / "rank0.seg").series("grad_norm").values
    assert math.isnan(values[0])
    assert values[1] == math.inf
    sink = MemorySink()
    sink.event(f.Exam(name="x", values={"a": math.nan, "b": -math.inf}).to_event())
    exam = sink.run().exam("x")
    assert exam is not None
    assert math.isnan(exam.values["a"])
    assert exam.values["b"] == -math.inf


def test_steps_come_back_ascending_and_the_last_value_of_a_step_wins() -> None:
    sink = MemorySink()
    sink.points("loss", "", [5, 1, 5, 3], [1.0, 2.0, 3.0, 4.0])
    sink.points("loss", "", [1], [9.0])
    series = sink.run().series("loss")
    assert series.steps.tolist() == [1, 3, 5]
    assert series.values.tolist() == [9.0, 4.0, 3.0]


def test_memory_run_can_be_taken_again_and_again() -> None:
    sink = MemorySink()
    assert not sink.run().facts
    sink.points("loss", "", [0], [1.0])
    assert len(sink.run().series("loss")) == 1
    sink.points("loss", "", [1], [1.0])
    assert len(sink.run().series("loss")) == 2


@given(signal=texts, site=texts, script=texts)
def test_any_name_survives(signal: str, site: str, script: str) -> None:
    sink = MemorySink()
    sink.event(f.Header(script=script).to_event())
    sink.points(signal, site, [7], [1.5])
    run = sink.run()
    assert run.header.script == script
    assert run.sites(signal) == [site]


@pytest.mark.parametrize(
    "name", ["\udcff", "\0", "a\nb", "../../etc", "\x1b[31m", "日本語", "x" * 9999]
)
def test_hostile_names_survive_on_disk(tmp_path: Path, name: str) -> None:
    writer = Writer(tmp_path / "rank0.seg")
    writer.points(name, name, [0], [1.0])
    writer.close()
    assert load(tmp_path).sites(name) == [name]


def test_what_json_does_not_know_becomes_text() -> None:
    sink = MemorySink()
    sink.event(f.Module(name="m", settings={"where": Path("a/b")}).to_event())
    module = sink.run().module("m")
    assert module is not None
    assert module.settings == {"where": str(Path("a/b"))}


def test_more_names_than_sixteen_bits() -> None:
    sink = MemorySink()
    for site in range(70_000):
        sink.points("loss", str(site), (site,), (float(site),))
    run = sink.run()
    assert len(run.sites("loss")) == 70_000
    assert run.series("loss", "69999").values.tolist() == [69999.0]


def test_lengths_that_differ_and_values_that_are_no_numbers_are_refused_whole() -> None:
    sink = MemorySink()
    with pytest.raises(ValueError, match="2 steps but 1 values"):
        sink.points("loss", "", [0, 1], [1.0])
    with pytest.raises(Exception, match="required"):
        sink.points("loss", "", [0, 1], [1.0, None])  # type: ignore[list-item]
    assert not sink.run().series("loss")


def test_values_are_on_disk_after_flush_and_after_a_full_buffer(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "rank0.seg")
    writer.points("loss", "", (0,), (1.0,))
    writer.flush()
    assert len(load(tmp_path).series("loss")) == 1
    many = BUFFER // schema.ROW.size + 1
    writer.points("loss", "", range(many), [0.0] * many)
    assert len(load(tmp_path).series("loss")) == many


def test_values_leave_by_themselves_after_the_delay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("penlight.store.writer.time.monotonic", lambda: now)
    writer = Writer(tmp_path / "rank0.seg")
    writer.points("loss", "", (0,), (1.0,))
    assert not load(tmp_path).series("loss")
    now = 100.3
    writer.points("loss", "", (1,), (1.0,))
    assert len(load(tmp_path).series("loss")) == 2


def test_threads_share_a_writer(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "rank0.seg")

    def work(name: str) -> None:
        for step in range(5_000):
            writer.points("loss", name, (step,), (float(step),))
            if step % 100 == 0:
                writer.event(f.Exam(name=name, step=step).to_event())

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    run = load(tmp_path)
    assert len(run.facts) == 200
    assert all(len(run.series("loss", str(i))) == 5_000 for i in range(4))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_child_writes_nothing_and_does_not_hang(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "rank0.seg")
    writer.points("loss", "parent", (0,), (1.0,))
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with writer._lock:
            held.set()
            forked.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        writer.points("loss", "child", (0,), (1.0,))
        writer.event({"fact": "end"})
        writer.close()
        os._exit(0)
    forked.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    writer.points("loss", "parent", (1,), (1.0,))
    writer.close()
    run = load(tmp_path)
    assert run.sites("loss") == ["parent"]
    assert len(run.series("loss")) == 2
    assert not run.facts


def test_writer_and_folder_need_the_standard_library_only() -> None:
    code = (
        "import sys, penlight.store.writer, penlight.store.folder;"
        "assert not {'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
