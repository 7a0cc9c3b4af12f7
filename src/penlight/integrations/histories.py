"""Reads the histories that other tools have kept, with the standard library alone.

What is read is data from anywhere: nothing is executed, and a damaged end costs only the end.
"""

from __future__ import annotations

import csv
import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from penlight.errors import PenlightError

STEPS = ("step", "global_step", "trainer/global_step", "_step", "steps", "iteration", "iter")
EPOCHS = ("epoch", "epochs", "train/epoch")
DT_FLOAT, DT_DOUBLE = 1, 2  # TensorFlow's numbers for the types of a tensor
LEVEL_BLOCK = 32768  # bytes of one block of a LevelDB log


@dataclass
class History:
    """Numbers by name and step.

    Args:
        kind: what kept them.
        where: the file or folder.
    """

    kind: str
    where: Path
    values: dict[str, dict[int, float]] = field(default_factory=dict)
    other: set[str] = field(default_factory=set)  # names of what is kept there and is no number

    def add(self, name: str, step: int, value: float) -> None:
        """Keep one number; of several for one step the last one counts."""
        self.values.setdefault(name, {})[step] = value


def read(path: Path) -> History:
    """Read a CSV file, a TensorBoard folder or event file, or an offline run of W&B.

    Raises:
        PenlightError: there is nothing that can be read.
    """
    if not path.exists():
        raise PenlightError(f"There is no {path}.")
    files = [path] if path.is_file() else sorted(x for x in path.rglob("*") if x.is_file())
    wandb = [x for x in files if x.suffix == ".wandb"]
    events = [x for x in files if "tfevents" in x.name]
    tables = [x for x in files if x.suffix in (".csv", ".tsv")]
    for kind, found, reader in (
        ("W&B", wandb[:1], _wandb),
        ("TensorBoard", events, _events),
        ("CSV", tables[:1], _table),
    ):
        if not found:
            continue
        history = History(kind, path)
        try:
            for file in found:
                reader(file, history)
        except OSError as error:
            raise PenlightError(f"Cannot read {error.filename}: {error.strerror}.") from None
        return history
    raise PenlightError(
        f"{path} holds no history: Penlight reads CSV files (.csv, .tsv), TensorBoard event files "
        "(*tfevents*) and offline runs of W&B (*.wandb)."
    )


# -- CSV ------------------------------------------------------------------------------------


def _table(path: Path, history: History) -> None:
    """A column a series. The step is a column of that name, else the number of the row."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        start = file.read(4096)
        file.seek(0)
        lines = csv.reader(file, delimiter=max(",;\t", key=start.count))
        names = [name.strip() for name in next(lines, [])]
        if len(names) < 1 or all(_number(name) is not None for name in names):
            raise PenlightError(f"{path}: the first line should name the columns.")
        at = _column(names, STEPS)
        at = at if at is not None else _column(names, EPOCHS)
        for place, row in enumerate(lines):
            step = _number(row[at]) if at is not None and at < len(row) else None
            where = int(step) if step is not None and math.isfinite(step) else place
            for index, (name, cell) in enumerate(zip(names, row, strict=False)):
                if index == at or not cell.strip():
                    continue
                value = _number(cell)
                if value is None:
                    history.other.add(name)
                else:
                    history.add(name, where, value)


def _column(names: list[str], wanted: tuple[str, ...]) -> int | None:
    lower = [name.lower() for name in names]
    return next((lower.index(name) for name in wanted if name in lower), None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# -- TensorBoard ----------------------------------------------------------------------------


def _events(path: Path, history: History) -> None:
    """An event file: records of length (u64), crc (u32), Event, crc (u32)."""
    data = path.read_bytes()
    position = 0
    while position + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        record = data[position + 12 : position + 12 + length]
        if len(record) < length:
            return  # still being written, or cut off
        _event(record, history)
        position += 16 + length


def _event(record: bytes, history: History) -> None:
    step, summary = 0, b""
    for number, value in _fields(record):
        if number == 2 and isinstance(value, int):
            step = value
        elif number == 5 and isinstance(value, bytes):
            summary = value
    for number, value in _fields(summary):
        if number == 1 and isinstance(value, bytes):
            _summary(value, step, history)


def _summary(record: bytes, step: int, history: History) -> None:
    tag, found = "", None
    for number, value in _fields(record):
        if number == 1 and isinstance(value, bytes):
            tag = value.decode("utf-8", "replace")
        elif number == 2 and isinstance(value, bytes) and len(value) == 4:
            found = struct.unpack("<f", value)[0]
        elif number == 8 and isinstance(value, bytes):
            found = _scalar(value)
    if found is not None:
        history.add(tag, step, found)
    elif tag:
        history.other.add(tag)


def _scalar(tensor: bytes) -> float | None:
    """The number in a tensor of one element, as newer writers keep a scalar."""
    kind, content, shape = 0, b"", b""
    for number, value in _fields(tensor):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes):
            shape = value
        elif number in (4, 5, 6) and isinstance(value, bytes):
            content = value
    form = {DT_FLOAT: "<f", DT_DOUBLE: "<d"}.get(kind)
    if form is None or shape or len(content) != struct.calcsize(form):
        return None
    return float(struct.unpack(form, content)[0])


# -- W&B ------------------------------------------------------------------------------------


def _wandb(path: Path, history: History) -> None:
    """An offline run: a LevelDB log of protocol buffers, of which the history records count."""
    row = 0
    for record in _level_log(path.read_bytes()):
        for number, value in _fields(record):
            if number == 2 and isinstance(value, bytes):
                row = _row(value, row, history)


def _row(record: bytes, row: int, history: History) -> int:
    items: dict[str, object] = {}
    for number, value in _fields(record):
        if number == 1 and isinstance(value, bytes):
            keys: list[str] = []
            text = b""
            for inner, part in _fields(value):
                if inner in (1, 2) and isinstance(part, bytes):
                    keys.append(part.decode("utf-8", "replace"))
                elif inner == 16 and isinstance(part, bytes):
                    text = part
            try:
                items["/".join(keys)] = json.loads(text)
            except ValueError:
                continue
    steps = [items[x] for x in STEPS if isinstance(items.get(x), (int, float))]
    step = next((int(x) for x in steps if isinstance(x, (int, float)) and math.isfinite(x)), row)
    for name, item in items.items():
        number_ = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(str(item))
        found = number_ if number_ is not None else item
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            history.add(name, step, float(found))
        else:
            history.other.add(name)
    return row + 1


def _level_log(data: bytes) -> Iterator[bytes]:
    """Whole records: a header of 7 bytes, then blocks of crc (u32), length (u16), type (u8)."""
    position, parts = 7, b""
    while position + 7 <= len(data):
        left = LEVEL_BLOCK - position % LEVEL_BLOCK
        if left < 7:
            position += left  # a block's end that holds no header is padding
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        part = data[position + 7 : position + 7 + length]
        if len(part) < length:
            return
        position += 7 + length
        parts = part if kind in (1, 2) else parts + part
        if kind in (1, 4):
            yield parts


# -- protocol buffers -----------------------------------------------------------------------


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a message: an int for a varint, the bytes of all else."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        length = {1: 8, 5: 4}.get(kind, 0)
        if kind == 2:
            length, position = _varint(data, position)
        elif not length:
            return  # no message after all
        if position + length > len(data):
            return
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        value |= (byte & 127) << shift
        position += 1
        if byte < 128:
            break
        shift += 7
    return value, position
