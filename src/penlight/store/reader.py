"""Reads a run back. A stored run is data from somewhere else: nothing in it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penlight.core.facts import Blind, End, Fact, Header, Parallel, decode
from penlight.core.run import Run, Series
from penlight.errors import PenlightError
from penlight.store import merge, schema
from penlight.store.peers import Part, beside

ROW = np.dtype([("id", "<u4"), ("step", "<i8"), ("value", "<f8")])
Ids = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]
Steps = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Key = tuple[str, str]
PEERS = 3  # other ranks that are read beside rank 0: a fault of the data shows between any two


def load(path: Path | str) -> Run:
    """Read a run from its folder or from one segment, also while it is being written.

    Reading stops at the first damage, and a `Blind` fact says how many bytes were lost. Of
    several ranks, rank 0 is the run; where they share one training their numbers are put together
    (`penlight.store.merge`). A `Blind` fact says when ranks are missing or have failed.

    Raises:
        PenlightError: nothing there, no run, a damaged header, or a newer Penlight's format.
    """
    path = Path(path)
    segment = path / schema.segment_name(0) if path.is_dir() else path
    try:
        data = segment.read_bytes()
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise PenlightError(
            f"{segment} cannot be read ({error.strerror}): check that the file is there and yours."
        ) from None
    series, facts = parse(data, str(segment))
    if path.is_dir():
        series, facts = _with_ranks(series, facts, path)
    return Run(series, facts)


def parse(data: bytes, where: str) -> tuple[dict[Key, Series], list[Fact]]:
    """Take the bytes of one segment apart; `where` names them in messages.

    Raises:
        PenlightError: no readable header, or a newer Penlight's format.
    """
    _check_header(data, where)
    names: dict[Key, int] = {}
    rows: list[memoryview] = []
    facts: list[Fact] = []
    bad_facts = good = 0
    for kind, payload, after in schema.frames(data):
        if kind == schema.POINTS:
            if len(payload) % ROW.itemsize:
                break
            rows.append(payload)
        elif kind == schema.NAME:
            if not _add_name(names, payload):
                break
        elif kind == schema.EVENT:
            fact, readable = _fact(payload)
            if fact is not None:
                facts.append(fact)
            bad_facts += not readable
        good = after
    if good < len(data):
        facts.append(
            Blind(
                what="the end of the recording",
                why=f"{len(data) - good} of {len(data)} bytes of {where} are unreadable: "
                "the run was killed, is still writing, or the file was damaged",
            )
        )
    if bad_facts:
        facts.append(Blind(what=f"{bad_facts} facts", why=f"they make no sense in {where}"))
    ids, steps, values = _columns(rows, len(names))
    lost = sum(map(len, rows)) // ROW.itemsize - len(ids)
    if lost:
        facts.append(Blind(what=f"{lost} values", why=f"{where} does not say what they measure"))
    return _series(list(names), ids, steps, values), facts


def _missing(path: Path) -> PenlightError:
    if path.is_dir():
        return PenlightError(
            f"{path} is not a run folder (it holds no {schema.segment_name(0)}): "
            "name a folder that `penlight run` made."
        )
    return PenlightError(f"There is no run at {path}: check the path, or make one: penlight run.")


def _check_header(data: bytes, where: str) -> None:
    if not data:
        raise PenlightError(
            f"{where} is empty: the run died before it wrote anything; run the script again."
        )
    found = schema.frame_at(data, 0)
    start = schema.SCHEMA.size
    if found is None or found[0] != schema.HEADER or len(found[1]) < start:
        raise PenlightError(
            f"{where} is not a Penlight segment, or its header is damaged: "
            "choose another run, or run the script again."
        )
    magic, version = schema.SCHEMA.unpack_from(found[1])
    if magic != schema.MAGIC:
        raise PenlightError(f"{where} is not a Penlight segment: name a folder of `penlight run`.")
    if version > schema.VERSION:
        raise PenlightError(
            f"{where} was made by a newer Penlight (format {version}, this one reads up to "
            f"{schema.VERSION}): upgrade with pip install -U penlight."
        )


def _add_name(names: dict[Key, int], payload: memoryview) -> bool:
    """Take a NAME frame; False when it contradicts the format."""
    if len(payload) < schema.ID.size:
        return False
    number: int = schema.ID.unpack_from(payload)[0]
    pair = schema.from_json(payload[schema.ID.size :])
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair)):
        return False
    key = (pair[0], pair[1])
    if number == len(names):
        names.setdefault(key, number)
    return names.get(key) == number


def _fact(payload: memoryview) -> tuple[Fact | None, bool]:
    """The fact of an event, if this version knows its kind, and whether the event was readable."""
    event: Any = schema.from_json(payload)
    if not isinstance(event, dict):
        return None, False
    try:
        return decode(event), True
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None, False


def _columns(rows: list[memoryview], names: int) -> tuple[Ids, Steps, Values]:
    """Ids, steps and values of all rows whose id has a name, in the order of writing."""
    total = sum(map(len, rows)) // ROW.itemsize
    # numpy sorts 16-bit integers in linear time, which is most of the speed of loading a run.
    ids = np.empty(total, np.uint16 if names <= 1 << 16 else np.uint32)
    steps = np.empty(total, np.int64)
    values = np.empty(total, np.float64)
    begin = 0
    for payload in rows:
        part = np.frombuffer(payload, ROW)
        part = part[part["id"] < names]
        end = begin + len(part)
        ids[begin:end], steps[begin:end], values[begin:end] = (
            part["id"],
            part["step"],
            part["value"],
        )
        begin = end
    return ids[:begin], steps[:begin], values[:begin]


def _series(names: list[Key], ids: Ids, steps: Steps, values: Values) -> dict[Key, Series]:
    order = np.argsort(ids, kind="stable")
    steps, values = steps[order], values[order]
    ends = np.cumsum(np.bincount(ids, minlength=len(names)))
    result: dict[Key, Series] = {}
    start = 0
    for key, end in zip(names, ends.tolist(), strict=True):
        if end > start:
            result[key] = Series(*key, *_ascending(steps[start:end], values[start:end]))
        start = end
    return result


def _ascending(steps: Steps, values: Values) -> tuple[Steps, Values]:
    """Sort by step; of equal steps keep the one written last."""
    if (steps[1:] > steps[:-1]).all():
        return steps, values
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    last = np.append(steps[1:] != steps[:-1], True)
    return steps[last], values[last]


def _with_ranks(
    series: dict[Key, Series], facts: list[Fact], folder: Path
) -> tuple[dict[Key, Series], list[Fact]]:
    """Rank 0 put together with the others and beside them; damage in theirs is not told."""
    paths = [p for p in folder.glob(schema.segment_name("*")) if p.name != schema.segment_name(0)]
    paths.sort(key=lambda path: (len(path.name), path.name))
    few = len(paths) < merge.MOST
    others = [_part(path) for path in (paths if few else paths[:PEERS])]
    missing = _missing_ranks(facts, folder)
    peers = beside((series, facts), [part for part in others[:PEERS] if part is not None])
    whole = few and not missing and None not in others
    return _together(series, facts + missing + peers, others if few else [], whole)


def _part(segment: Path) -> Part | None:
    """Another rank's curves and facts; None where it died before it wrote anything."""
    try:
        return parse(segment.read_bytes(), str(segment))
    except (OSError, PenlightError):
        return None


def _together(
    series: dict[Key, Series], facts: list[Fact], others: Sequence[Part | None], whole: bool
) -> tuple[dict[Key, Series], list[Fact]]:
    """Rank 0 with what its fellows saw, and a word on those that failed."""
    how = next((fact for fact in facts if isinstance(fact, Parallel)), Parallel())
    ranks, added = [series], list[Fact]()
    over = any(isinstance(fact, End) for fact in facts)  # else a silent rank may still be at work
    for curves, known in (part for part in others if part is not None):
        ranks.append(curves)
        header = next((fact for fact in known if isinstance(fact, Header)), None)
        rank = header.rank if header is not None else len(ranks) - 1
        told = merge.lost(rank, known, curves)
        if told is not None and (over or any(isinstance(fact, End) for fact in known)):
            added.append(told)
    sound = all(type(n) is int and 0 < n <= len(ranks) for n in how.shards.values())
    if whole and sound:
        return merge.merge(how, ranks), facts + added
    if how.shards:
        why = "not all ranks are here: norms are those of the parts that rank 0 holds"
        added.append(Blind(what="sharded parameters", why=why))
    return series, facts + added


def _missing_ranks(facts: list[Fact], folder: Path) -> list[Fact]:
    world = next((fact.world for fact in facts if isinstance(fact, Header)), 1)
    present = len(list(folder.glob(schema.segment_name("*"))))
    if type(world) is not int or present >= world:  # whatever the file says
        return []
    return [
        Blind(
            what=f"{world - present} of {world} ranks",
            why=f"their segments are missing in {folder}: other machines, or they died early",
        )
    ]
