"""What the user sees while the script runs. Standard library only: it lives beside the training.

On a terminal one status line is drawn at most four times a second, at the right of the row below
the cursor, and the cursor goes back to where it was: nobody can tell when the script will print
next, and there its text meets ours least. Elsewhere (a log, a pipe) plain lines come at steps 1,
10, 100, ... and once a minute. Alerts come at once.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from penlight.report import words as w

REDRAW = 0.25  # seconds between two drawings of the status line
MINUTE = 60.0  # seconds between two plain lines
# Wipes what is left of an earlier status line on the row of the cursor, makes sure that there is
# a row below, and empties that; `BACK` returns to the place of the cursor before.
BELOW = "\x1b[K\x1bD\x1b[A\x1b7\x1b[B\r\x1b[2K"
BACK = "\x1b8"


class Pulse(Protocol):
    """How the run stands; None where unknown."""

    @property
    def step(self) -> int | None:
        """Optimiser steps done."""

    @property
    def loss(self) -> float | None:
        """The last training loss."""

    @property
    def light(self) -> float | None:
        """Part of the learning signal that reaches the first layer."""

    @property
    def cost_share(self) -> float | None:
        """Penlight's own part of the time so far."""

    @property
    def seconds(self) -> float | None:
        """Time since the first step."""


class Progress:
    """Live status on standard error.

    Never raises and never waits: when the stream is full or broken, a line is left out.

    Args:
        stream: where to write; standard error as it is at the first use unless given.
        clock: seconds, for tests.
    """

    def __init__(
        self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._drawn = False
        self._again = 0.0
        self._milestone = 1
        self._live = _is_terminal(self._stream)
        self._closed = False

    def update(self, pulse: Pulse) -> None:
        """Show how the run stands, if it is time to."""
        if self._closed:
            return
        try:
            now = self._clock()
            if self._live:
                if now >= self._again:
                    self._again = now + REDRAW
                    self._draw(_status(pulse))
            elif self._due(pulse, now):
                self._again = now + MINUTE
                self._write(f"{_status(pulse)}\n")
        except Exception:  # a status line must not cost anybody a training
            self._closed = True

    def alert(self, text: str) -> None:
        """Show one line at once, and keep it."""
        if self._closed:
            return
        try:
            self._erase()
            # On a terminal the script may be in the middle of a line: leave it that line.
            start = "\n" if self._live else ""
            self._write(f"{start}penlight: {w.clean(text)}\n")
        except Exception:  # as above
            self._closed = True

    def close(self) -> None:
        """Erase the status line. Nothing is written afterwards."""
        if self._closed:
            return
        self._closed = True
        try:
            self._erase()
        except Exception:  # as above
            return

    def _due(self, pulse: Pulse, now: float) -> bool:
        step = pulse.step or 0
        if step >= self._milestone:
            while self._milestone <= step:
                self._milestone *= 10
            return True
        return step > 0 and now >= self._again > 0

    def _draw(self, text: str) -> None:
        room = shutil.get_terminal_size().columns - 1
        self._write(f"{BELOW}{text[:room]:>{room}}{BACK}")
        self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._write(f"{BELOW}{BACK}")
            self._drawn = False

    def _write(self, text: str) -> None:
        if not _has_room(self._stream):
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._stream.flush()


def _status(pulse: Pulse) -> str:
    said = [f"penlight  step {pulse.step or 0:,}"]
    if pulse.loss is not None:
        said.append(f"loss {w.digits(pulse.loss)}")
    if pulse.light is not None:
        said.append(f"light {w.part(pulse.light)}")
    if pulse.cost_share is not None:
        said.append(f"cost {100 * pulse.cost_share:.1f}%")
    if pulse.seconds is not None:
        said.append(w.duration(pulse.seconds))
    return "  ".join(said)


def _is_terminal(stream: TextIO) -> bool:
    try:
        # Windows consoles know the sequences only when somebody has switched them on.
        return stream.isatty() and os.name != "nt" and os.environ.get("TERM") != "dumb"
    except Exception:  # somebody's stand-in for a stream
        return False


def _has_room(stream: TextIO) -> bool:
    """Whether a short write would return at once; True where the system cannot tell."""
    try:
        return bool(select.select([], [stream], [], 0)[1])
    except Exception:  # no file behind it, or a system that asks sockets only
        return True
