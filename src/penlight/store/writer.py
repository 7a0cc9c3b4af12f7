"""What writes a run while it happens, inside the user's process: standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from penlight.store import schema

BUFFER = 64 * 1024  # bytes
DELAY = 0.2  # seconds

pack_row = schema.ROW.pack


class Sink(ABC):
    """Turns points and events into frames and hands them on in blocks.

    A block leaves when `BUFFER` bytes are pending, or when a call finds the last block more than
    `DELAY` seconds ago; there is no thread, so whoever wants the last values out calls `flush`.
    Any thread may call any method. In a forked child every method does nothing.
    """

    def __init__(self) -> None:
        # Reentrant: a signal handler of the main thread may flush while it interrupts a call.
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._on = True
        self._emitting = False
        self._ids: dict[tuple[str, str], int] = {}
        self._frames = bytearray()
        self._rows = bytearray()
        self._emitted = time.monotonic()
        origin = {"pid": self._pid, "host": platform.node(), "time": time.time()}
        self._frames += schema.frame(
            schema.HEADER,
            schema.SCHEMA.pack(schema.MAGIC, schema.VERSION) + schema.to_json(origin),
        )

    def event(self, event: Mapping[str, Any]) -> None:
        """Write one event, usually `fact.to_event()`.

        NaN and infinity survive, tuples come back as lists, and what JSON does not know as text.

        Raises:
            TypeError: a key that is no string or number.
            ValueError: a value that contains itself.
        """
        if self._idle():
            return
        payload = schema.to_json(dict(event))
        with self._lock:
            self._frames += schema.frame(schema.EVENT, payload)
            self._maybe_flush()

    def points(self, signal: str, site: str, steps: Sequence[int], values: Sequence[float]) -> None:
        """Write values of one signal at one site, one for each step, in any order.

        Where a step comes twice the last value counts. Costs about 1 microsecond for one point
        and 0.1 for each further one (docs/decisions/0003-one-segment-per-rank.md).

        Raises:
            ValueError: steps and values differ in length.
            struct.error: a step that is no 64-bit integer, or a value that is no number.
        """
        if self._idle():
            return
        if len(steps) != len(values):
            raise ValueError(f"{signal} at {site}: {len(steps)} steps but {len(values)} values")
        with self._lock:
            number = self._ids.get((signal, site))
            if number is None:
                number = self._name(signal, site)
            if len(steps) == 1:
                self._rows += pack_row(number, steps[0], values[0])
            else:
                self._rows += b"".join(map(pack_row, repeat(number), steps, values))
            self._maybe_flush()

    def flush(self) -> None:
        """Hand on everything that is pending."""
        if self._idle():
            return
        with self._lock:
            self._flush()

    def close(self) -> None:
        """Flush and take nothing more. A second call does nothing."""
        if self._idle():
            return
        with self._lock:
            self._flush()
            self._on = False

    @abstractmethod
    def _emit(self, block: bytes) -> None:
        """Keep a block of whole frames."""

    def _idle(self) -> bool:
        # Asked before the lock: in a forked child a thread that no longer exists may hold it.
        return not self._on or os.getpid() != self._pid

    def _name(self, signal: str, site: str) -> int:
        number = len(self._ids)
        payload = schema.ID.pack(number) + schema.to_json([signal, site])
        self._frames += schema.frame(schema.NAME, payload)
        self._ids[signal, site] = number
        return number

    def _maybe_flush(self) -> None:
        pending = len(self._frames) + len(self._rows)
        if pending >= BUFFER or time.monotonic() - self._emitted > DELAY:
            self._flush()

    def _flush(self) -> None:
        # A signal handler may interrupt a block on its way out; another thread may have closed.
        if self._emitting or not self._on:
            return
        self._emitting = True
        try:
            frames, rows = len(self._frames), len(self._rows)
            block = bytes(self._frames)
            if rows:
                block += schema.frame(schema.POINTS, self._rows[:rows])
            if block:
                self._emit(block)
            # Only now: an interrupt before this line costs a repetition, not the values.
            del self._frames[:frames], self._rows[:rows]
            self._emitted = time.monotonic()
        finally:
            self._emitting = False


class Writer(Sink):
    """Appends one rank's segment to a new file. Never raises an OSError.

    A full disk, a vanished folder, a file that exists already: the first OSError ends the
    writing for good and goes to `on_fault`, once. What was written before stays readable.

    Args:
        path: the segment to create, e.g. `folder / schema.segment_name(0)`; its folder exists.
        on_fault: told the OSError that switched the writer off.
    """

    def __init__(self, path: Path, on_fault: Callable[[OSError], None] | None = None) -> None:
        super().__init__()
        self.path = path
        self._on_fault = on_fault
        self._file = -1
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            self._file = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o644)
            self._identity = _identity(os.fstat(self._file))
        except OSError as error:
            self._fail(error)
        self.flush()

    def close(self) -> None:
        """Flush and close the file. A second call does nothing."""
        if self._idle():
            return
        with self._lock:
            super().close()
            self._release()

    def _emit(self, block: bytes) -> None:
        try:
            stat = os.fstat(self._file)
            if _identity(stat) != self._identity:
                # The script closed all descriptors; the number now stands for a file of its own.
                self._file = -1
                raise OSError(errno.EBADF, "the script closed the file of the run", str(self.path))
            if stat.st_nlink == 0:
                raise OSError(errno.ENOENT, "the folder of the run was removed", str(self.path))
        except OSError as error:
            self._fail(error)
            return
        try:
            view = memoryview(block)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            with contextlib.suppress(OSError):  # a reader copes with a torn frame, too
                os.ftruncate(self._file, stat.st_size)
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._on = False
        self._release()
        self._frames.clear()
        self._rows.clear()
        if self._on_fault is not None:
            self._on_fault(error)

    def _release(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            with contextlib.suppress(OSError):  # a late write error: nothing is left to do
                os.close(file)


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino
