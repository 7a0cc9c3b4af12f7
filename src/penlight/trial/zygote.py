"""A process that has torch loaded, has never computed, and forks an arm on request.

It speaks lines over its standard input and output: `run SECONDS FOLDER` starts the job in a
folder, and a line of JSON `{"folder": ..., "status": ..., "late": ...}` tells of its end. When its
input ends, for whatever reason, it kills the arms that are still running and goes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TICK = 0.01  # seconds between two looks after the children


@dataclass
class Child:
    pid: int
    folder: str
    deadline: float
    late: bool = False


def serve(snapshot: Path, parent: int, modules: list[str]) -> None:
    """Answer requests until the input ends.

    Args:
        snapshot: what arms start from; its folder goes when the parent has died.
        parent: the process that asks.
        modules: what to load besides torch.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.environ["MPLBACKEND"] = "Agg"  # no window opens from a trial
    _preload(modules)
    children: dict[int, Child] = {}
    try:
        buffer = b""
        while True:
            wait = TICK if children else None
            if select.select([0], [], [], wait)[0]:
                read = os.read(0, 1 << 16)
                if not read:
                    return
                buffer += read
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    _, seconds, folder = line.decode().split(" ", 2)
                    child = _fork(folder, snapshot, float(seconds))
                    children[child.pid] = child
            _reap(children, replies)
    finally:
        for pid in children:
            _kill(pid)
            os.waitpid(pid, 0)
        if os.getppid() != parent:  # nobody else is left to tidy up
            shutil.rmtree(snapshot.parent, ignore_errors=True)


def _fork(folder: str, snapshot: Path, seconds: float) -> Child:
    pid = os.fork()
    if pid:
        return Child(pid, folder, time.monotonic() + seconds)
    status = 70
    try:
        os.setsid()
        _die_with_parent()
        place = Path(folder)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        for handle, name in ((1, "out.txt"), (2, "err.txt")):
            file = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(file, handle)
        os.closerange(3, 64)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from penlight.trial.arm import perform

        status = perform(place, snapshot)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            sys.stderr.write(f"penlight: this arm failed ({type(error).__name__}: {error})\n")
            sys.stderr.flush()
    finally:
        os._exit(status & 0xFF)


def _reap(children: dict[int, Child], replies: object) -> None:
    now = time.monotonic()
    for child in list(children.values()):
        if now > child.deadline and not child.late:
            child.late = True
            _kill(child.pid)
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid:
            del children[pid]
            _kill(pid)  # what the script has left behind in its group
            said = {
                "folder": child.folder,
                "status": os.waitstatus_to_exitcode(status),
                "late": child.late,
            }
            replies.write(json.dumps(said) + "\n")  # type: ignore[attr-defined]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _die_with_parent() -> None:
    """Whatever ends the zygote ends its arms (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def _preload(modules: list[str]) -> None:
    """Load what every arm would load. Nothing here may compute: threads do not survive a fork."""
    import importlib

    for name in [
        "torch",
        "torch._dynamo",  # optimisers load it on first use
        "torch.utils.data",
        "penlight.probe.parts",
        "penlight.launch",
        "penlight.store.writer",
        "penlight.trial.arm",
        "penlight.trial.fence",
        "penlight.trial.samples",
        "penlight.trial.seeds",
        *modules,
    ]:
        with contextlib.suppress(Exception):  # the arm will say it better
            importlib.import_module(name)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
