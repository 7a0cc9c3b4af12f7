"""Where runs live: one folder a run, below `.penlight` in the current directory, or at a URL.

Standard library only: the launcher makes the folder inside the user's process.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from penlight.errors import PenlightError
from penlight.store import remote, schema

State = Literal["finished", "crashed", "running", "unreadable"]

PEEK = 256 * 1024  # bytes read at each end of a segment: four blocks of the writer
QUIET = 300.0  # seconds after which a silent run on another machine counts as dead
NAME_LIMIT = 40  # characters of a script's name inside a run's name


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a list of runs shows.

    `started` is in seconds since 1970, `steps` are optimiser steps as far as the end of the
    segment tells, `size` is in bytes over all ranks. `finished` means that the script ended well,
    `crashed` that it failed or was killed, `unreadable` that the header is damaged or newer.
    A run that was listed from a URL has it in `url`, and in `path` a copy of its two ends.
    """

    name: str
    path: Path
    script: str
    started: float
    steps: int
    state: State
    size: int
    url: str = ""

    @property
    def place(self) -> str:
        """Where the run is, as the user would type it."""
        return self.url or str(self.path)


def new_run_folder(root: Path | None, script: str) -> Path:
    """Make the folder of a new run, `<YYYYMMDD-HHMMSS>-<script>-<4 hex>`.

    Args:
        root: the folder that holds runs; None means $PENLIGHT_DIR, else `.penlight` in the current
            directory. A temporary folder takes its place where nothing can be written.
        script: path or module name of the script.

    Raises:
        PenlightError: not even the temporary folder can be written.
    """
    name = re.sub(r"[^\w.-]", "_", Path(script).name.removesuffix(".py"))[:NAME_LIMIT].strip(".-")
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    folder = f"{stamp}-{name or 'script'}-{secrets.token_hex(2)}"
    root = default_root() if root is None else root.absolute()
    try:
        return _make(root, folder)
    except OSError as error:
        reason = error.strerror
    fallback = _fallback_root()
    try:
        return _make(fallback, folder)
    except OSError as error:
        raise PenlightError(
            f"No run can be kept in {root} ({reason}) nor in {fallback} ({error.strerror}): "
            "set PENLIGHT_DIR to a folder that you can write to."
        ) from None


def default_root() -> Path:
    """The folder that holds runs when none is named: $PENLIGHT_DIR, else `.penlight` here.

    Raises:
        PenlightError: $PENLIGHT_DIR is a URL, where runs can be read and not be written.
    """
    text = os.environ.get("PENLIGHT_DIR") or ".penlight"
    if remote.is_url(text):
        raise PenlightError(
            f"PENLIGHT_DIR is {text}: a run is written on this machine. Set it to a folder, and "
            "copy finished runs to the store by its own tools."
        )
    return Path(text).absolute()


def find_run(text: str | None = None, root: Path | str | None = None) -> Path:
    """Find a run's folder (or one segment) by what a user typed.

    Args:
        text: a path or URL, a run's name, a prefix or part of it that only one run has; `last` or
            None means the newest run.
        root: the folder or URL that holds runs; None means the default.

    Returns:
        Its path; of a run at a URL that of a copy.

    Raises:
        PenlightError: no such run, or several, or a store that cannot be read.
    """
    if text is not None and remote.is_url(text):
        return remote.fetch(text)
    if (url := _url(root)) is not None:
        copy = _find(text, remote.mirror(url))
        return remote.fetch(f"{url}/{copy.name}")
    return _find(text, None if root is None else Path(root))


def _find(text: str | None, root: Path | None) -> Path:
    root, folders = _run_folders(root)
    if text and (_is_run(Path(text)) or _is_segment(Path(text))):
        return Path(text)
    if not folders:
        raise PenlightError(f"There are no runs in {root}: make one with penlight run SCRIPT.")
    if text is None or text == "last":
        return max(folders, key=lambda folder: (_started(folder), folder.name))
    for matches in (
        [folder for folder in folders if folder.name == text],
        [folder for folder in folders if folder.name.startswith(text)],
        [folder for folder in folders if text in folder.name],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(sorted(folder.name for folder in matches)[-5:])
            raise PenlightError(
                f"{len(matches)} runs in {root} match {text!r}: say more of the name ({names})."
            )
    raise PenlightError(
        f"No run in {root} matches {text!r}, and no run folder has that path: "
        "name part of a run's name, or `last`."
    )


def list_runs(root: Path | str | None = None) -> list[RunInfo]:
    """The runs below a root, newest first, from the two ends of each segment alone.

    Raises:
        PenlightError: the root is a URL that cannot be read.
    """
    url = _url(root)
    folder = remote.mirror(url) if url is not None else None if root is None else Path(root)
    peek = PEEK if url is None else remote.TAIL
    infos = [_info(each, peek) for each in _run_folders(folder)[1]]
    if url is not None:
        infos = [replace(info, url=f"{url}/{info.name}") for info in infos]
    return sorted(infos, key=lambda info: (info.started, info.name), reverse=True)


def _url(root: Path | str | None) -> str | None:
    """The URL that a root is, without a slash at its end."""
    place = os.environ.get("PENLIGHT_DIR", "") if root is None else root
    return str(place).rstrip("/") if remote.is_url(place) else None


def _make(root: Path, name: str) -> Path:
    if not root.exists():
        root.mkdir(parents=True, exist_ok=True)
        # Only in a folder of our own: elsewhere it would hide the user's files from git.
        (root / ".gitignore").write_text("*\n", encoding="ascii")
    folder = root / name
    folder.mkdir(mode=0o700 if root == _fallback_root() else 0o777)
    return folder


def _fallback_root() -> Path:
    owner = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"penlight-{owner}"


def _run_folders(root: Path | None) -> tuple[Path, list[Path]]:
    """The root and the run folders in it; of the default root's fallback when it has none."""
    if root is not None:
        return root, _runs_in(root)
    root = default_root()
    folders = _runs_in(root)
    if not folders and (elsewhere := _runs_in(_fallback_root())):
        return _fallback_root(), elsewhere
    return root, folders


def _runs_in(root: Path) -> list[Path]:
    try:
        return [folder for folder in root.iterdir() if _is_run(folder)]
    except OSError:
        return []


def _is_run(path: Path) -> bool:
    return _is_file(path / schema.segment_name(0))


def _is_segment(path: Path) -> bool:
    return path.suffix == schema.SUFFIX and _is_file(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, a null byte: whatever a user types
        return False


def _info(folder: Path, peek: int) -> RunInfo:
    segment = folder / schema.segment_name(0)
    head, tail = _ends(segment, peek)
    origin = _origin(head)
    header = next((e for e in _events(head, 0) if e.get("fact") == "header"), {})
    middle = schema.first_frame(tail)
    last = [] if middle is None else _events(tail, middle)
    end = next((e for e in reversed(last) if e.get("fact") == "end"), None)
    steps = _number(end.get("steps")) if end else _steps(tail, middle, last)
    return RunInfo(
        name=folder.name,
        path=folder,
        script=str(header.get("script", "")),
        started=_started(folder),
        steps=int(steps),
        state="unreadable" if origin is None else _state(end, origin, segment),
        size=sum(_size(each) for each in folder.glob(schema.segment_name("*"))),
    )


def _ends(segment: Path, peek: int) -> tuple[bytes, bytes]:
    try:
        with segment.open("rb") as file:
            head = file.read(peek)
            file.seek(max(0, segment.stat().st_size - peek))
            return head, file.read(peek)
    except OSError:
        return b"", b""


def _origin(head: bytes) -> dict[str, Any] | None:
    """Who wrote a segment (pid, host, time); None when this version cannot read it."""
    found = schema.frame_at(head, 0)
    start = schema.SCHEMA.size
    if found is None or found[0] != schema.HEADER or len(found[1]) < start:
        return None
    if schema.SCHEMA.unpack_from(found[1])[1] > schema.VERSION:
        return None
    origin = schema.from_json(found[1][start:])
    return origin if isinstance(origin, dict) else None


def _events(data: bytes, position: int) -> list[dict[str, Any]]:
    found = (
        schema.from_json(payload)
        for kind, payload, _ in schema.frames(data, position)
        if kind == schema.EVENT
    )
    return [event for event in found if isinstance(event, dict)]


def _steps(tail: bytes, middle: int | None, events: Iterable[dict[str, Any]]) -> float:
    """Steps of a run without an end: one more than the last step that was written."""
    steps = max((_number(e.get("steps")) for e in events if e.get("fact") == "hygiene"), default=0)
    if middle is not None:
        for kind, payload, _ in schema.frames(tail, middle):
            if kind == schema.POINTS and len(payload) % schema.ROW.size == 0:
                last = max((step for _, step, _ in schema.ROW.iter_unpack(payload)), default=-1)
                steps = max(steps, last + 1)
    return steps


def _state(end: dict[str, Any] | None, origin: dict[str, Any], segment: Path) -> State:
    if end is not None:
        failed = end.get("error") or end.get("script_exit") not in (None, 0)
        return "crashed" if failed else "finished"
    return "running" if _alive(origin, segment) else "crashed"


def _alive(origin: dict[str, Any], segment: Path) -> bool:
    pid = origin.get("pid")
    # os.kill with signal 0 only asks on POSIX; on Windows it would interrupt the process.
    here = os.name == "posix" and origin.get("host") == platform.node()
    if here and isinstance(pid, int) and pid > 0:
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        except (OSError, OverflowError):
            return False
        return True
    return time.time() - _modified(segment) < QUIET


def _started(folder: Path) -> float:
    segment = folder / schema.segment_name(0)
    try:
        with segment.open("rb") as file:
            origin = _origin(file.read(4096))
    except OSError:
        origin = None
    return _number((origin or {}).get("time")) or _modified(segment)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _number(value: object) -> float:
    """A finite number out of a stored file, or 0."""
    if isinstance(value, (int, float)) and abs(value) < 1e18:
        return value
    return 0
