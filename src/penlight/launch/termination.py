"""A last word before SIGTERM: schedulers and `timeout` end trainings that way."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

SIGNAL = signal.SIGTERM


class LastWords:
    """Between `start` and `stop`, SIGTERM first calls back and then kills as it would have.

    None of the script's own code runs in between, as under plain Python. A script that handles
    the signal itself, before or after, is left alone; so are forked children.

    Args:
        speak: called at most once.
    """

    def __init__(self, speak: Callable[[], None]) -> None:
        self._speak = speak
        self._pid = os.getpid()

    def start(self) -> None:
        """Stand by, unless the signal is handled already."""
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(SIGNAL) == signal.SIG_DFL:
            signal.signal(SIGNAL, self._die)
            os.register_at_fork(after_in_child=self.stop)

    def stop(self) -> None:
        """Let the signal kill at once again, unless somebody else handles it now."""
        if signal.getsignal(SIGNAL) == self._die:
            with contextlib.suppress(ValueError):  # not on the main thread
                signal.signal(SIGNAL, signal.SIG_DFL)

    def _die(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        signal.signal(SIGNAL, signal.SIG_DFL)  # a second one kills at once
        if os.getpid() == self._pid:
            with contextlib.suppress(Exception):
                self._speak()
        os.kill(os.getpid(), SIGNAL)
