"""Whatever happens to the file, reading gives what is whole or one sentence, never a crash."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penlight.core import facts as f
from penlight.errors import PenlightError
from penlight.store import schema
from penlight.store.folder import list_runs
from penlight.store.memory import MemorySink
from penlight.store.reader import load, parse
from penlight.store.writer import Writer


def small_run() -> bytes:
    sink = MemorySink()
    sink.event(f.Header(script="train.py").to_event())
    sink.points("loss", "SGD", [0, 1], [2.0, 1.0])
    sink.flush()
    sink.event(f.Graph(ops=(f.Op("Mean"),)).to_event())
    sink.points("loss", "SGD", [2], [0.5])
    sink.points("lr", "SGD", [2], [0.1])
    sink.close()
    return b"".join(sink._blocks)


WHOLE = small_run()


def header(version: int = schema.VERSION) -> bytes:
    return schema.frame(schema.HEADER, schema.SCHEMA.pack(schema.MAGIC, version) + b"{}")


def test_torn_at_every_byte() -> None:
    ends = [after for _, _, after in schema.frames(WHOLE)]
    assert ends[-1] == len(WHOLE)
    for cut in range(ends[0]):
        with pytest.raises(PenlightError):
            parse(WHOLE[:cut], "a.seg")
    points = 0
    for cut in range(ends[0], len(WHOLE) + 1):
        series, facts = parse(WHOLE[:cut], "a.seg")
        found = sum(len(each) for each in series.values())
        assert found >= points
        points = found
        blind = [fact for fact in facts if isinstance(fact, f.Blind)]
        assert len(blind) == (cut not in ends)
    assert points == 4


def test_torn_tail_says_how_many_bytes(tmp_path: Path) -> None:
    (tmp_path / "rank0.seg").write_bytes(WHOLE + b"\xf5\xaa12345")
    (blind,) = load(tmp_path).all(f.Blind)
    assert f"7 of {len(WHOLE) + 7} bytes" in blind.why


@given(st.data())
def test_corrupted_bytes(data: st.DataObject) -> None:
    mangled = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 5))):
        mangled[data.draw(st.integers(0, len(WHOLE) - 1))] = data.draw(st.integers(0, 255))
    try:
        series, _ = parse(bytes(mangled), "a.seg")
    except PenlightError:
        return
    assert sum(len(each) for each in series.values()) <= 4


@given(st.binary(max_size=200))
def test_any_bytes_after_a_good_header(junk: bytes) -> None:
    series, facts = parse(header() + junk, "a.seg")
    assert not series
    assert bool(facts) == bool(junk)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
fact_events = st.builds(
    lambda kind, rest: {**rest, "fact": kind},
    st.sampled_from(sorted(f.KINDS)),
    st.dictionaries(st.sampled_from(["ops", "step", "world", "steps", "name"]), json_values),
)


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=60)), max_size=6))
def test_any_payload_behind_a_good_checksum(payloads: list[tuple[int, bytes]]) -> None:
    parse(header() + b"".join(schema.frame(*each) for each in payloads), "a.seg")


@given(st.lists(json_values | fact_events, max_size=4), st.lists(json_values, max_size=4))
def test_any_json_behind_a_good_checksum(events: list[object], names: list[object]) -> None:
    body = b"".join(schema.frame(schema.EVENT, json.dumps(each).encode()) for each in events)
    for number, each in enumerate(names):
        payload = schema.ID.pack(number) + json.dumps(each).encode()
        body += schema.frame(schema.NAME, payload)
    parse(header() + body, "a.seg")


def test_bottomless_json_is_a_blind_fact() -> None:
    _, facts = parse(header() + schema.frame(schema.EVENT, b"[" * 100_000), "a.seg")
    assert [type(fact) for fact in facts] == [f.Blind]


def test_values_without_a_name_are_counted() -> None:
    rows = schema.ROW.pack(0, 1, 1.0) + schema.ROW.pack(4_000_000_000, 1, 1.0)
    name = schema.frame(schema.NAME, schema.ID.pack(0) + b'["loss",""]')
    series, facts = parse(header() + name + schema.frame(schema.POINTS, rows), "a.seg")
    assert len(series["loss", ""]) == 1
    assert facts == [f.Blind("1 values", "a.seg does not say what they measure")]


def test_frames_and_facts_of_an_unknown_kind_are_skipped() -> None:
    body = schema.frame(99, b"later") + schema.frame(schema.EVENT, b'{"fact":"unknown"}')
    assert parse(header() + body, "a.seg") == ({}, [])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (WHOLE[:10], "header is damaged"),
        (b"\x00" * 100, "header is damaged"),
        (b"PK\x03\x04 something else entirely", "not a Penlight segment"),
        (schema.frame(schema.HEADER, b"SOMEBODY\1\0"), "not a Penlight segment"),
        (header(schema.VERSION + 1), "newer Penlight"),
    ],
    ids=["empty", "torn", "zeros", "archive", "foreign", "newer"],
)
def test_unreadable_headers_say_so_in_one_sentence(
    tmp_path: Path, content: bytes, says: str
) -> None:
    segment = tmp_path / "rank0.seg"
    segment.write_bytes(content)
    with pytest.raises(PenlightError, match=says) as caught:
        load(tmp_path)
    assert str(segment) in str(caught.value)
    assert list_runs(tmp_path.parent)[0].state == "unreadable"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(PenlightError, match="There is no run at"):
        load(tmp_path / "gone")
    with pytest.raises(PenlightError, match="is not a run folder"):
        load(tmp_path)


def test_missing_ranks_are_blind(tmp_path: Path) -> None:
    for rank in (0, 2):
        writer = Writer(tmp_path / schema.segment_name(rank))
        writer.event(f.Header(rank=rank, world=4).to_event())
        writer.close()
    run = load(tmp_path)
    assert run.header.rank == 0
    assert [blind.what for blind in run.all(f.Blind)] == ["2 of 4 ranks"]


def test_kill_minus_nine_loses_only_what_was_not_flushed(tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from penlight.store.writer import Writer

        writer = Writer(Path(sys.argv[1]) / "rank0.seg")
        step = 0
        while True:
            writer.points("loss", "SGD", (step,), (float(step),))
            if step % 50 == 49:
                writer.flush()
                print(step, flush=True)
            step += 1
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(100):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    acknowledged = int(rest.splitlines()[-2]) if rest.count("\n") > 1 else 4999
    series = load(tmp_path).series("loss")
    assert series.steps.tolist() == list(range(len(series)))
    assert len(series) > acknowledged
