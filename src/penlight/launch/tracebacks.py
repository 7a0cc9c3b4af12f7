"""The user's traceback as `python script.py` prints it: without our frames."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType

_HOME = f"{Path(__file__).parents[1]}{os.sep}"


def hide_ourselves(error: BaseException) -> BaseException:
    """Take Penlight's frames out of an exception and of those it came from."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        current = queue.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = _without_ours(current.__traceback__)
        queue += [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]
    return error


def show(error: BaseException) -> None:
    """Hand an uncaught exception to `sys.excepthook`, the user's own one if there is one."""
    hide_ourselves(error)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except Exception:  # a broken hook of the user's; Python too falls back on its own
        sys.__excepthook__(type(error), error, error.__traceback__)


def one_line(error: BaseException) -> str:
    """`ValueError: the first line of its message`."""
    text = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _without_ours(tb: TracebackType | None) -> TracebackType | None:
    kept = []
    while tb is not None:
        if not _ours(tb.tb_frame.f_code.co_filename):
            kept.append(tb)
        tb = tb.tb_next
    for here, following in zip(kept, [*kept[1:], None], strict=True):
        here.tb_next = following
    return kept[0] if kept else None


def _ours(filename: str) -> bool:
    return filename.startswith(_HOME)
