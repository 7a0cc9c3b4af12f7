"""What `run` and `check` share: watch something, then tell what was seen."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TextIO

import click

from penlight.cli import OWN_FAULT, apologise, json_out
from penlight.cli.alerts import Alerts
from penlight.cli.ci import Ci
from penlight.core.finding import Diagnosis
from penlight.errors import PenlightError
from penlight.launch import ranks
from penlight.launch.child import disarm
from penlight.launch.script import Outcome, run_script
from penlight.launch.target import Target
from penlight.store.folder import new_run_folder

if TYPE_CHECKING:
    from penlight.core.run import Run
    from penlight.probe import Probe

STRICT = 1
UNSEEN = 2
REDRAW = 0.25  # seconds
BUSY = 1.0  # seconds of child processes' time that may have been a training


@dataclass(slots=True)
class Report:
    """How and where to tell the diagnosis. Made before the script runs, so that what the script
    does to stderr or to the current directory does not matter.
    """

    out: Path | None = None
    quiet: bool = False
    strict: bool = False
    needs_steps: bool = False  # a run without a step is a failure
    ci: Ci = field(default_factory=Ci)
    stream: TextIO = field(default_factory=lambda: sys.stderr)

    def __post_init__(self) -> None:
        if self.out is not None:
            self.out = json_out.prepare(self.out)

    def say(self, text: str) -> None:
        """One line, as long as there is somebody to read it."""
        with suppress(OSError, ValueError):
            click.echo(text, file=self.stream)

    def tell(self, folder: Path, outcome: Outcome, *, command: str = "") -> int:
        """Diagnose what lies in a folder, write and print it; the exit status to end with.

        A fault of ours here leaves the script's own exit status alone.
        """
        try:
            run, diagnosis = _diagnose(folder, outcome, command)
            text = json_out.to_text(diagnosis)
            json_out.write(folder / "diagnosis.json", text)
            if self.out is not None:
                json_out.write(self.out, text)
            self.ci.tell(diagnosis, run, self.stream)
            if not self.quiet:
                self._print(run, diagnosis, folder)
                if run.steps == 0 and not command and (hint := _hint()):
                    self.say(hint)
        except PenlightError as error:
            self.say(f"penlight: {error}")
            return outcome.exit_code or (error.exit_code if self.strict else 0)
        except Exception:  # a fault of ours is told; the user's script has run all the same
            apologise(f"the recorded run is safe in {folder}", self.stream)
            return outcome.exit_code or (OWN_FAULT if self.strict else 0)
        if self.strict and diagnosis.critical:
            return STRICT
        if self.needs_steps and run.steps == 0:
            return outcome.exit_code or UNSEEN
        return outcome.exit_code

    def _print(self, run: Run, diagnosis: Diagnosis, folder: Path) -> None:
        from rich.console import Console

        from penlight.report.terminal import print_diagnosis

        with suppress(OSError, ValueError):  # nobody reads stderr any more
            console = Console(file=self.stream)
            console.print()
            print_diagnosis(diagnosis, run, console, folder=shown(folder))


def watch(
    target: Target,
    args: Sequence[str],
    report: Report,
    *,
    root: Path | None = None,
    name: str = "",
    mode: str = "run",
    budget: float = 0.01,
    stop_after: int | None = None,
    texts: Mapping[str, str] | None = None,
    starters: Sequence[Callable[[Probe], None]] = (),
    enders: Sequence[Callable[[], None]] = (),
) -> tuple[Path, Outcome]:
    """Run a script under the probe; where it was recorded, and how it ended.

    `texts` take the place of files, see `run_script`; `starters` are called with the probe once
    it watches, `enders` when the script is over and its atexit handlers are not.

    Raises:
        PenlightError: it cannot be run.
    """
    target.check()
    disarm()
    here = ranks.place()
    label = name or target.label
    folder = ranks.shared_folder(root, label) if here.world > 1 else new_run_folder(root, label)
    sink = ranks.open_segment(
        folder.absolute(),
        here.rank,
        lambda error: report.say(f"penlight: the recording stopped ({error.strerror})."),
    )
    progress = _Progress(report.stream, sink.path.parent)
    speaks = not report.quiet and mode != "check" and here.speaks

    def begun(probe: Probe) -> None:
        for start in starters:
            start(probe)
        if speaks or probe.on_alert:
            progress.start(probe, shows=speaks)

    def over() -> None:
        progress.stop()
        for end in enders:
            end()

    def terminated(outcome: Outcome) -> None:
        progress.stop()
        report.tell(sink.path.parent, outcome)

    try:
        outcome = run_script(
            target,
            args,
            sink,
            mode=mode,
            budget=budget,
            stop_after=stop_after,
            on_start=begun,
            on_end=over,
            # Among ranks a slow death would hold up the launcher, which kills them one by one.
            on_terminate=terminated if here.world == 1 else None,
            leaving=True,
            texts=texts,
        )
    except PenlightError:
        _discard(sink.path)
        raise
    if not here.speaks:
        raise SystemExit(outcome.exit_code)
    return sink.path.parent, outcome


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    with suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


class _Progress:
    """What is told while the training goes on, from its own steps: a line, and alerts.

    A thread would do without a hook, but a script that forks is warned about threads.
    """

    def __init__(self, stream: TextIO, folder: Path) -> None:
        self._stream = stream
        self._folder = folder
        self._pid = os.getpid()
        self._next = 0.0
        self._off: Callable[[], None] = lambda: None

    def start(self, probe: Probe, *, shows: bool = True) -> None:
        """Follow a probe from now on; without `shows` only for others who listen to alerts."""
        from torch.compiler import is_compiling
        from torch.optim.optimizer import register_optimizer_step_post_hook

        from penlight.report.progress import Progress

        progress = Progress(self._stream)
        alerts = Alerts(self._folder, probe.alert)
        if shows:
            probe.on_alert.append(progress.alert)

        def stepped(*_: object) -> None:
            if is_compiling():
                return
            now = perf_counter()
            if now >= self._next and os.getpid() == self._pid:
                self._next = now + REDRAW
                with suppress(Exception):  # a status line must not cost anybody a training
                    pulse = probe.pulse
                    if shows:
                        progress.update(pulse)
                    alerts.poll(pulse.seconds)

        handle = register_optimizer_step_post_hook(stepped)

        def off() -> None:
            handle.remove()
            alerts.stop()
            progress.close()

        self._off = off

    def stop(self) -> None:
        """Take the line away."""
        self._off()


def _diagnose(folder: Path, outcome: Outcome, command: str) -> tuple[Run, Diagnosis]:
    import numpy as np

    from penlight.diagnosis import diagnose
    from penlight.store.reader import load

    # The script may have turned warnings or floating-point flags into errors, for its own sake.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        run = load(folder)
        diagnosis = diagnose(run)
    meta = {**diagnosis.meta, "script_exit": outcome.exit_code}
    if command:
        meta["script"] = command
    return run, replace(diagnosis, meta=meta)


def _hint() -> str:
    """Why nothing may have been seen in this process."""
    if importlib.util.find_spec("torch") is None:
        return (
            f"PyTorch is not installed in this Python ({sys.executable}): pip install torch, "
            "or name the Python that has it: penlight run -- /path/to/python script.py"
        )
    if os.times().children_user > BUSY:
        return "Did other processes train? To watch them all: penlight run -- python script.py"
    return ""


def _discard(segment: Path) -> None:
    """Take back the folder of a run that never began."""
    with suppress(OSError):
        segment.unlink()
        segment.parent.rmdir()
