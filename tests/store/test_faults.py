"""A disk that fails ends the recording, told once, and never the training."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from penlight.core import facts as f
from penlight.store.reader import load
from penlight.store.writer import Writer


def write_on(writer: Writer) -> None:
    for step in range(3):
        writer.points("loss", "SGD", (step,), (1.0,))
        writer.event({"fact": "unknown"})
        writer.flush()
    writer.close()
    writer.close()


def test_full_disk_in_the_middle_of_a_block_leaves_no_torn_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[OSError] = []
    writer = Writer(tmp_path / "rank0.seg", faults.append)
    writer.points("loss", "SGD", (0,), (2.0,))
    writer.flush()
    write = os.write
    left = 10

    def full(file: int, data: memoryview) -> int:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done, left = write(file, data[:left]), 0
        return done

    monkeypatch.setattr(os, "write", full)
    write_on(writer)
    monkeypatch.undo()
    assert [fault.errno for fault in faults] == [errno.ENOSPC]
    run = load(tmp_path)
    assert run.series("loss").values.tolist() == [2.0]
    assert not run.all(f.Blind)


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_file_size_limit_of_the_system(tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from penlight.store.writer import Writer

        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        faults = []
        writer = Writer(Path(sys.argv[1]) / "rank0.seg", faults.append)
        for step in range(100_000):
            writer.points("loss", "SGD", (step,), (1.0,))
        writer.close()
        assert len(faults) == 1, faults
        """
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    run = load(tmp_path)
    assert len(run.series("loss")) > 5_000
    assert not run.all(f.Blind)


@pytest.mark.skipif(sys.platform == "win32", reason="an open file keeps its folder there")
def test_vanished_folder_is_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    faults: list[OSError] = []
    writer = Writer(folder / "rank0.seg", faults.append)
    shutil.rmtree(folder)
    write_on(writer)
    assert [fault.errno for fault in faults] == [errno.ENOENT]


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors have other numbers there")
def test_a_script_that_takes_over_the_descriptor_keeps_its_file_clean(tmp_path: Path) -> None:
    faults: list[OSError] = []
    writer = Writer(tmp_path / "rank0.seg", faults.append)
    number = writer._file
    os.close(number)
    theirs = os.open(tmp_path / "theirs", os.O_WRONLY | os.O_CREAT)
    assert theirs == number
    write_on(writer)
    os.write(theirs, b"mine")
    os.close(theirs)
    assert (tmp_path / "theirs").read_bytes() == b"mine"
    assert [fault.errno for fault in faults] == [errno.EBADF]


def test_no_folder_at_all(tmp_path: Path) -> None:
    faults: list[OSError] = []
    write_on(Writer(tmp_path / "gone" / "rank0.seg", faults.append))
    assert [fault.errno for fault in faults] == [errno.ENOENT]
    write_on(Writer(tmp_path / "gone" / "rank0.seg"))


def test_a_second_writer_leaves_the_first_ones_segment_alone(tmp_path: Path) -> None:
    first = Writer(tmp_path / "rank0.seg")
    first.points("loss", "SGD", (0,), (2.0,))
    faults: list[OSError] = []
    write_on(Writer(tmp_path / "rank0.seg", faults.append))
    first.close()
    assert [fault.errno for fault in faults] == [errno.EEXIST]
    assert load(tmp_path).series("loss").values.tolist() == [2.0]


def test_an_interrupt_during_the_write_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path / "rank0.seg")
    write = os.write

    def interrupted(file: int, data: memoryview) -> int:
        write(file, data)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    writer.points("loss", "SGD", (0, 1), (2.0, 3.0))
    with pytest.raises(KeyboardInterrupt):
        writer.flush()
    writer.points("loss", "SGD", (2,), (4.0,))
    writer.close()
    run = load(tmp_path)
    assert run.series("loss").values.tolist() == [2.0, 3.0, 4.0]
    assert not run.all(f.Blind)


def test_a_signal_handler_may_flush_during_a_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path / "rank0.seg")
    write = os.write

    def handled(file: int, data: memoryview) -> int:
        half = write(file, data[:9])
        writer.points("loss", "SGD", (1,), (3.0,))
        writer.flush()
        return half

    monkeypatch.setattr(os, "write", handled)
    writer.points("loss", "SGD", (0,), (2.0,))
    writer.flush()
    monkeypatch.undo()
    writer.close()
    run = load(tmp_path)
    assert run.series("loss").values[:2].tolist() == [2.0, 3.0]
    assert not run.all(f.Blind)
