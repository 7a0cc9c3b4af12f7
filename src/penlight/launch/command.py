"""Runs any command and watches every training process below it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penlight import __version__
from penlight.core.facts import End, Header
from penlight.errors import PenlightError
from penlight.launch import child
from penlight.launch.ranks import numbered
from penlight.launch.script import INTERRUPTED, Outcome
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

INJECT = Path(__file__).parent / "inject"
PATIENCE = 3  # Ctrl-C more often than this and the command is killed


def run_command(argv: Sequence[str], folder: Path, *, budget: float = 0.01) -> Outcome:
    """Run a command to its end; its training processes write into `folder`, `folder-2`, ...

    Raises:
        PenlightError: there is no such command.
    """
    began = time.time()
    with _staying_alive() as signals:
        try:
            process = subprocess.Popen(list(argv), env=_environment(folder, budget))
        except FileNotFoundError:
            raise PenlightError(f"There is no command {argv[0]!r}.", exit_code=127) from None
        except OSError as error:
            raise PenlightError(f"Cannot run {argv[0]}: {error.strerror}.", exit_code=126) from None
        signals.follow(process)
        status = process.wait()
    interrupts = signals.interrupts
    code = 128 - status if status < 0 else status
    if interrupts and code != 0:
        outcome = Outcome(INTERRUPTED, "KeyboardInterrupt")
    else:
        outcome = Outcome(code, f"signal {-status} ended the command" if status < 0 else "")
    if not recorded(folder):
        _record_nothing(argv, folder, outcome, began)
    return outcome


def recorded(folder: Path) -> list[Path]:
    """The folders that a command's processes have left segments in."""
    found: list[Path] = []
    while any(numbered(folder, len(found) + 1).glob(segment_name("*"))):
        found.append(numbered(folder, len(found) + 1))
    return found


def _environment(folder: Path, budget: float) -> dict[str, str]:
    env = dict(os.environ)
    env[child.FOLDER] = str(folder.absolute())
    env[child.BUDGET] = repr(budget)
    env[child.HOME] = str(Path(__file__).resolve().parents[2])
    before = env.get("PYTHONPATH")
    env["PYTHONPATH"] = os.pathsep.join([str(INJECT), *([before] if before else [])])
    return env


@dataclass(slots=True)
class _Signals:
    """What came for us while a command runs; it is passed on, and what came too early as well."""

    process: subprocess.Popen[bytes] | None = None
    interrupts: int = 0
    terminated: bool = False

    def interrupt(self, *_: object) -> None:
        self.interrupts += 1  # the terminal has sent it to the command, too
        if self.process is not None and self.interrupts > PATIENCE:
            self.process.kill()

    def terminate(self, *_: object) -> None:
        self.terminated = True
        if self.process is not None:
            self.process.terminate()

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """The command has been started."""
        self.process = process
        if self.terminated:
            process.terminate()
        elif self.interrupts:
            process.send_signal(signal.SIGINT)


@contextmanager
def _staying_alive() -> Iterator[_Signals]:
    """Signals are for the command; we stay to report. Begins before the command does.

    No KeyboardInterrupt meanwhile: raised at the wrong moment it loses the command's status.
    """
    signals = _Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = [
        (each, signal.signal(each, handler))
        for each, handler in (
            (signal.SIGINT, signals.interrupt),
            (signal.SIGTERM, signals.terminate),
        )
        if signal.getsignal(each) != signal.SIG_IGN
    ]
    try:
        yield signals
    finally:
        for each, handler in before:
            signal.signal(each, handler)


def _record_nothing(argv: Sequence[str], folder: Path, outcome: Outcome, began: float) -> None:
    """A run in which no process trained is a run all the same."""
    writer = Writer(folder / segment_name(0))
    header = Header(
        penlight=__version__,
        script=argv[0],
        argv=tuple(argv[1:]),
        started=began,
        python=sys.version.split()[0],
    )
    writer.event(header.to_event())
    writer.event(End(outcome.exit_code, outcome.error, wall=time.time() - began).to_event())
    writer.close()
