"""Runs a script in this process, under the probe, exactly as `python script.py` would."""

from __future__ import annotations

import atexit
import contextlib
import os
import platform
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penlight.core.facts import End, Fault, Header
from penlight.errors import PenlightError
from penlight.launch import tracebacks
from penlight.launch.arming import TorchWatch
from penlight.launch.target import Target, load, script_folder
from penlight.launch.termination import LastWords
from penlight.launch.texts import replaced

if TYPE_CHECKING:
    from penlight.probe import Probe
    from penlight.probe.sink import Sink

INTERRUPTED = 130

# As under plain Python, a script's globals outlive its last line: handlers and daemon threads
# still use them.
_ended: list[types.ModuleType] = []


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a script ended: its exit status, and one line about an uncaught exception."""

    exit_code: int
    error: str = ""


TERMINATED = Outcome(143, "terminated by SIGTERM")


def run_script(
    target: Target,
    args: Sequence[str],
    sink: Sink,
    *,
    mode: str = "run",
    budget: float = 0.01,
    stop_after: int | None = None,
    on_start: Callable[[Probe], None] | None = None,
    on_end: Callable[[], None] | None = None,
    on_terminate: Callable[[Outcome], None] | None = None,
    leaving: bool = False,
    texts: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a script to its end, whatever the end is, and watch it from `import torch` on.

    A process that the script forks and that reaches the end too never returns from here: it
    exits as it would have.

    Args:
        target: what to run.
        args: the script's own arguments.
        sink: takes what the probe sees; closed at the end.
        mode: "run", or "check" to stop after `stop_after` optimiser steps.
        budget: share of the training time that watching may cost.
        stop_after: optimiser steps to allow in mode "check".
        on_start: called with the probe once it watches.
        on_end: called when the script is over, before its atexit handlers.
        on_terminate: called when a SIGTERM is about to end the process.
        leaving: this process ends right after: do what Python does at its end (wait for
            threads, run the atexit handlers), so that a report comes after the last word of the
            script.
        texts: contents by resolved path that take the place of files of the script's project.

    Raises:
        PenlightError: the target cannot be run at all.
    """
    pid = os.getpid()
    watch = _Watch(sink, target, args, mode, budget, stop_after, on_start)

    def terminated() -> None:
        watch.finish(TERMINATED)
        if on_terminate is not None:
            on_terminate(TERMINATED)

    last_words = LastWords(terminated)
    with _own_world(target, args), replaced(texts or {}):
        watch.torch.start()
        if on_terminate is not None:
            last_words.start()
        try:
            outcome = _execute(target, watch, texts)
            if os.getpid() != pid:
                raise SystemExit(outcome.exit_code)
            if leaving:
                outcome = _await_threads(outcome)
            watch.finish(outcome)
            if on_end is not None:
                on_end()
            if leaving:
                _say_goodbye()
        finally:
            last_words.stop()
            watch.torch.stop()
    return outcome


class _Watch:
    """The probe of one script, made when torch arrives."""

    def __init__(
        self,
        sink: Sink,
        target: Target,
        args: Sequence[str],
        mode: str,
        budget: float,
        stop_after: int | None,
        on_start: Callable[[Probe], None] | None,
    ) -> None:
        self.sink = sink
        self.began = time.time()
        self.script = str(target)
        self.args = tuple(args)
        self.options: dict[str, Any] = {
            "mode": mode,
            "budget": budget,
            "stop_after": stop_after,
        }
        self.on_start = on_start
        self.probe: Probe | None = None
        self.torch = TorchWatch(self.start)

    def start(self) -> None:
        """Arm the probe. A fault of ours here costs the diagnosis, never the training."""
        try:
            from penlight.probe import Probe

            probe = Probe(self.sink, script=self.script, argv=self.args, **self.options)
            probe.start()
            self.probe = probe
            if self.on_start is not None:
                self.on_start(probe)
        except Exception as error:  # the law: our faults end here
            self._admit(error)

    def finish(self, outcome: Outcome) -> None:
        """Disarm the probe and end the record, also where torch never came."""
        try:
            if self.probe is not None:
                self.probe.finish(outcome.exit_code, outcome.error)
            else:
                self._write_ends(outcome)
            self.sink.close()
        except Exception as error:  # the law: our faults end here
            self._admit(error)

    def _admit(self, error: Exception) -> None:
        with contextlib.suppress(Exception):  # the sink itself may be what is broken
            self.sink.event(Fault("launch", tracebacks.one_line(error)).to_event())
            self.sink.flush()

    def _write_ends(self, outcome: Outcome) -> None:
        from penlight import __version__

        header = Header(
            penlight=__version__,
            script=self.script,
            argv=self.args,
            started=self.began,
            mode=self.options["mode"],
            python=platform.python_version(),
        )
        end = End(outcome.exit_code, outcome.error, wall=time.time() - self.began)
        self.sink.event(header.to_event())
        self.sink.event(end.to_event())

    def stopped_it(self, error: BaseException) -> bool:
        """Whether the probe itself ended the script, having seen enough."""
        if self.probe is None:
            return False
        from penlight.probe import Enough

        return isinstance(error, Enough)


def _execute(target: Target, watch: _Watch, texts: Mapping[str, str] | None = None) -> Outcome:
    """Run the code; print an uncaught exception as Python would."""
    refused: PenlightError | None = None
    try:
        try:
            program = load(target, texts)
        except PenlightError as error:
            refused = error
            raise
        sys.argv[0] = program.argv0
        sys.modules["__main__"] = program.module
        _ended.append(program.module)
        with _quiet_threads(watch):
            exec(program.code, vars(program.module))  # noqa: S102  # to run it is the whole point
    except SystemExit as stop:
        return Outcome(_status(stop))
    except KeyboardInterrupt as error:
        tracebacks.show(error)
        return Outcome(INTERRUPTED, "KeyboardInterrupt")
    except BaseException as error:  # the script's end, whatever it is, is not ours
        if error is refused:
            raise
        if watch.stopped_it(error):
            return Outcome(0)
        tracebacks.show(error)
        return Outcome(1, tracebacks.one_line(error))
    return Outcome(0)


def _status(stop: SystemExit) -> int:
    """The exit status of a SystemExit; a message goes to stderr, as Python does it."""
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    with contextlib.suppress(Exception):
        sys.stderr.write(f"{stop.code}\n")
    return 1


@contextlib.contextmanager
def _quiet_threads(watch: _Watch) -> Iterator[None]:
    """A training thread that the probe stops in mode "check" ends without a traceback."""
    if watch.options["stop_after"] is None:
        yield
        return
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or not watch.stopped_it(args.exc_value):
            before(args)

    threading.excepthook = hook
    yield


@contextlib.contextmanager
def _own_world(target: Target, args: Sequence[str]) -> Iterator[None]:
    """`sys` as the script expects it, and as it was afterwards."""
    argv, orig_argv, path = sys.argv, sys.orig_argv, sys.path
    main, hook = sys.modules["__main__"], threading.excepthook
    sys.argv = [target.name if target.kind == "path" else "-m", *args]
    sys.orig_argv = [sys.executable, *target.argv, *args]
    sys.path = path.copy()
    if not getattr(sys.flags, "safe_path", False):
        first = script_folder(target.name) if target.kind == "path" else str(Path.cwd())
        # Ours stands there: the folder of the console script, or of `python -m penlight`.
        sys.path[:1] = [first]
    try:
        yield
    finally:
        sys.argv, sys.orig_argv, sys.path = argv, orig_argv, path
        sys.modules["__main__"] = main
        threading.excepthook = hook


def _await_threads(outcome: Outcome) -> Outcome:
    """Wait for the script's threads as Python does before it ends; Ctrl-C still counts."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
    except KeyboardInterrupt as error:
        tracebacks.show(error)
        return Outcome(INTERRUPTED, "KeyboardInterrupt")
    return outcome


def _say_goodbye() -> None:
    """Run the script's atexit handlers now, so that our report is the last word."""
    try:
        atexit._run_exitfuncs()
    except BaseException as error:  # a handler's error changes nothing, as under plain Python
        tracebacks.show(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
