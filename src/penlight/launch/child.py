"""Inside a process below `penlight run -- command`: watch it if it turns out to train."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penlight.launch import ranks
from penlight.launch.arming import TorchWatch
from penlight.launch.termination import LastWords
from penlight.launch.tracebacks import one_line

if TYPE_CHECKING:
    from penlight.probe import Probe
    from penlight.store.writer import Writer

FOLDER = "PENLIGHT_WATCH_FOLDER"
BUDGET = "PENLIGHT_WATCH_BUDGET"
HOME = "PENLIGHT_WATCH_HOME"
VARIABLES = (FOLDER, BUDGET, HOME)

# A process that never trains is never opened a file for; what it saw until then is bounded.
PATIENCE = 20_000


def arm() -> None:
    """Get ready, unless this is a process in which Python only keeps house."""
    if FOLDER in os.environ and not is_helper(sys.orig_argv):
        TorchWatch(_start).start()


def is_helper(command: Sequence[str]) -> bool:
    """Whether a command line is that of multiprocessing's resource tracker or fork server.

    Its spawned workers are no helpers: some train.
    """
    words = " ".join(command)
    return "multiprocessing.resource_tracker" in words or "multiprocessing.forkserver" in words


def disarm() -> None:
    """Leave this process and its children alone: another `penlight run` watches from here on."""
    for name in VARIABLES:
        os.environ.pop(name, None)


@dataclass(frozen=True, slots=True)
class _Settings:
    folder: Path
    budget: float

    @classmethod
    def from_environment(cls) -> _Settings | None:
        folder = os.environ.get(FOLDER)
        return cls(Path(folder), float(os.environ.get(BUDGET, "0.01"))) if folder else None


class LateSink:
    """A sink that opens its segment at the first optimiser step.

    Launchers, servers and data workers import torch too; they must leave no empty run behind.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Writer | None = None
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []

    @property
    def opened(self) -> bool:
        """Whether this process has trained."""
        return self._writer is not None

    def event(self, event: Mapping[str, Any]) -> None:
        """Keep one JSON event."""
        if self._writer is None and event.get("fact") == "optimizer":
            self._open()
        self._take("event", event)

    def points(self, signal: str, site: str, steps: Sequence[int], values: Sequence[float]) -> None:
        """Keep values of one signal at one site."""
        self._take("points", signal, site, steps, values)

    def flush(self) -> None:
        """Put everything where a reader can see it, once there is a file."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """End the record."""
        if self._writer is not None:
            self._writer.close()

    def _take(self, method: str, *args: Any) -> None:
        if self._writer is not None:
            getattr(self._writer, method)(*args)
        elif len(self._waiting) < PATIENCE:
            self._waiting.append((method, args))

    def _open(self) -> None:
        self._writer = ranks.open_segment(self._folder, _rank())
        waiting, self._waiting = self._waiting, []
        for method, args in waiting:
            getattr(self._writer, method)(*args)
        self._writer.flush()


def _start() -> None:
    """Torch is here. A fault of ours costs the diagnosis, never the training."""
    try:
        settings = _Settings.from_environment()
        if settings is None:
            return
        from penlight.probe import Probe

        sink = LateSink(settings.folder)
        probe = Probe(
            sink, script=_script(), argv=tuple(sys.argv[1:]), mode="run", budget=settings.budget
        )
        probe.start()
        finish = partial(_finish, probe, sink, os.getpid())
        atexit.register(finish)
        if ranks.place().world == 1:
            # Among ranks a slow death would hold up the launcher, which kills them one by one.
            LastWords(partial(finish, "terminated by SIGTERM")).start()
    except Exception as error:  # the law: our faults end here
        sys.stderr.write(f"penlight: this process is not watched ({error!r})\n")


def _finish(probe: Probe, sink: LateSink, pid: int, error: str = "") -> None:
    if os.getpid() != pid:
        return
    uncaught = getattr(sys, "last_value", None)
    try:
        error = error or (one_line(uncaught) if uncaught is not None else "")
        probe.finish(1 if error else None, error)
        sink.close()
    except Exception as fault:  # the law: our faults end here
        sys.stderr.write(f"penlight: the end of this run was not recorded ({fault!r})\n")


def _rank() -> int:
    """Known by the first step at the latest, also where no launcher has put it into the
    environment (torch.multiprocessing.spawn)."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return ranks.place().rank


def _script() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    return f"-m {spec.name}" if spec is not None else (sys.argv or [""])[0]
