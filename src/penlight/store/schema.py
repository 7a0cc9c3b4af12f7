"""The format of a segment: what one rank of a run leaves on disk.

A segment is a sequence of frames and nothing else. All numbers are little-endian.

    frame    = mark (2 bytes) + length (u32) + kind (u8) + crc (u32) + payload (length bytes)
    HEADER   = MAGIC (8 bytes) + schema version (u16) + JSON {"pid", "host", "time"}
    NAME     = id (u32) + JSON [signal, site]
    POINTS   = rows of id (u32) + step (i64) + value (f64)
    EVENT    = JSON object, usually a fact (penlight.core.facts)

The header comes first and once. `crc` is the CRC-32 of length, kind and payload. Ids count from 0
in the order of their NAME frames, and a NAME comes before its first row; the same NAME may come
twice. Frames of an unknown kind are skipped; what changes the meaning of a known kind raises
the schema version. `mark` lets a reader find a frame from the middle of a file. JSON is ASCII
and may hold NaN and Infinity.

Nothing here needs more than the standard library: the writer runs inside the user's process.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

MAGIC = b"PENLIGHT"
VERSION = 1
SUFFIX = ".seg"

HEADER, NAME, POINTS, EVENT = 1, 2, 3, 4

MARK = b"\xf5\xaa"
HEAD = struct.Struct("<2sIBI")  # mark, length, kind, crc
CHECKED = struct.Struct("<IB")  # the part of the head that the checksum covers
ROW = struct.Struct("<Iqd")  # id, step, value
ID = struct.Struct("<I")
SCHEMA = struct.Struct("<8sH")  # magic, version

TRIES = 1000  # marks that `first_frame` follows: a hostile file may hold nothing else


def segment_name(rank: int | str) -> str:
    """The file name of a rank's segment inside its run folder; "*" is the pattern of all."""
    return f"rank{rank}{SUFFIX}"


def frame(kind: int, payload: bytes | bytearray) -> bytes:
    """One frame around a payload."""
    crc = zlib.crc32(payload, zlib.crc32(CHECKED.pack(len(payload), kind)))
    return HEAD.pack(MARK, len(payload), kind, crc) + payload


def frame_at(data: bytes, position: int) -> tuple[int, memoryview] | None:
    """The kind and payload of the frame that starts at a position; None when none is whole."""
    start = position + HEAD.size
    if start > len(data):
        return None
    mark, length, kind, crc = HEAD.unpack_from(data, position)
    if mark != MARK or start + length > len(data):
        return None
    payload = memoryview(data)[start : start + length]
    if zlib.crc32(payload, zlib.crc32(CHECKED.pack(length, kind))) != crc:
        return None
    return kind, payload


def frames(data: bytes, position: int = 0) -> Iterator[tuple[int, memoryview, int]]:
    """Whole frames in order, as (kind, payload, position after it), up to the first damage."""
    while (found := frame_at(data, position)) is not None:
        kind, payload = found
        position += HEAD.size + len(payload)
        yield kind, payload, position


def first_frame(data: bytes) -> int | None:
    """Where the first whole frame starts in a piece cut out of a segment; None without one."""
    position = -1
    for _ in range(TRIES):
        position = data.find(MARK, position + 1)
        if position < 0:
            return None
        if frame_at(data, position) is not None:
            return position
    return None


def to_json(value: object) -> bytes:
    """JSON as the store keeps it. What JSON has no form for becomes its `str`.

    Raises:
        TypeError: a key that is no string or number.
        ValueError: a value that contains itself.
    """
    return json.dumps(value, separators=(",", ":"), default=str).encode("ascii")


def from_json(payload: bytes | memoryview) -> Any:
    """The value behind stored JSON, or None where it is none: a stored file is only data."""
    try:
        return json.loads(bytes(payload))
    except (ValueError, RecursionError):
        return None
