"""The probe: everything that watches, put on and taken off as one."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, ClassVar

import penlight
from penlight.core import facts as f
from penlight.probe.guard import Ledger, Patches
from penlight.probe.sink import Careful, Sink

if TYPE_CHECKING:
    from penlight.probe.parts import Parts

# Seconds of our own start that count against the allowance. It takes 0.2 to 0.3 on a quick machine;
# where it takes a second, before the training begins, the training would not be looked at at all.
START = 0.2


class Enough(BaseException):
    """Raised out of an optimiser step in check mode: enough has been seen."""


@dataclass(frozen=True)
class Pulse:
    """How a watched run is doing right now."""

    step: int = 0
    loss: float | None = None
    light: float | None = None
    cost_share: float | None = None
    seconds: float = 0.0


class Probe:
    """Watches the training that happens in this process between `start` and `finish`.

    `Probe.current` is the one that watches now: who comes second listens to it instead, as two
    would count each other's work.

    Args:
        sink: where events and points go (`penlight.store`).
        script: path or module name, for the record.
        argv: the script's own arguments, for the record.
        mode: "run", "watch" or "check".
        budget: share of the training's time that watching may take, beyond one second a run.
        models: the only models to watch; all that train when empty.
        optimizers: the only optimisers to watch; all that step when empty.
        stop_after: raise `Enough` after this many optimiser steps (check mode).
    """

    current: ClassVar[Probe | None] = None

    def __init__(
        self,
        sink: Sink,
        *,
        script: str = "",
        argv: tuple[str, ...] = (),
        mode: str = "run",
        budget: float = 0.01,
        stop_after: int | None = None,
        models: Sequence[Any] = (),
        optimizers: Sequence[Any] = (),
    ) -> None:
        self.sink = Careful(sink, self._record_lost)
        self.script = script
        self.argv = argv
        self.mode = mode
        self.budget = budget
        self.stop_after = stop_after
        self.models = models
        self.optimizers = optimizers
        self.on_alert: list[Callable[[str], None]] = []  # told at once what cannot wait
        self.on_step: Callable[[], None] | None = None  # called after each optimiser step
        self.parts: Parts | None = None
        self._started = perf_counter()
        self._patches = Patches()
        self._ledger = Ledger(self._fault)
        self._finished = False
        self._alerted = False

    # -- life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin watching. Does nothing but keep a record when torch is not installed."""
        start = perf_counter()
        Probe.current = self
        try:
            import torch
        except ImportError:
            self._header("")
            self.sink.event(
                f.Blind(what="everything", why="torch is not installed here").to_event()
            )
            return
        imported = thread_time()
        self._header(str(torch.__version__))
        from penlight.probe.parts import Parts

        try:
            self.parts = Parts(self.sink, self._ledger, self._patches, self.budget, self._stepped)
            self.parts.only(self.models, self.optimizers)
        except Exception as error:  # an unknown torch must not cost the user the run
            self._ledger.fail("start", error)
            self._patches.undo()
        spent = thread_time() - imported
        self._ledger.cost += spent
        if self.parts is not None:
            self.parts.training.window_start = self._ledger.cost  # no part of the first look
            self.parts.state.governor.allowance += max(0.0, spent - START)
        self._started = start

    def keep_samples(self) -> None:
        """Keep a few rows of the data that a finding may speak of, in the run's folder."""
        if self.parts is not None:
            self.parts.keep_samples()

    def catch_up(self) -> None:
        """Write what has been measured and not yet written."""
        if self.parts is not None:
            if self.parts.training.coast.on:
                self.parts.training.coast.end()
            self.parts.state.readout.poll(force=True)

    def finish(self, script_exit: int | None = 0, error: str = "") -> None:
        """Stop watching, take all hooks off, write the end. Safe to call twice.

        Args:
            script_exit: exit status of the script, None when there is none.
            error: one line about the exception that ended it.
        """
        if self._finished or self._ledger.forked:
            return
        self._finished = True
        if Probe.current is self:
            Probe.current = None
        begin, worked = perf_counter(), thread_time()
        steps, seconds = 0, 0.0
        if self.parts is not None:
            for part, step in self.parts.endings(self._patches, examine=script_exit == 0):
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        step()
                except Exception as failure:  # what one part cannot tell, the others still do
                    self._ledger.fail(part, failure)
            steps = self.parts.state.step
            first = self.parts.state.first_loss_step
            seconds = begin - first if first is not None else 0.0
        now = perf_counter()
        self.sink.event(
            f.End(
                script_exit=script_exit,
                error=error,
                steps=steps,
                seconds=seconds,
                wall=now - self._started,
                cost=self._ledger.cost + thread_time() - worked,
            ).to_event()
        )
        self.sink.flush()
        self.sink.close()

    @property
    def pulse(self) -> Pulse:
        """Newest numbers, for a progress line."""
        seconds = perf_counter() - self._started
        if self.parts is None:
            return Pulse(seconds=seconds)
        state = self.parts.state
        last = state.readout.last
        return Pulse(
            step=state.step,
            loss=last.get("loss"),
            light=self.parts.light(),
            cost_share=self._ledger.cost / max(seconds, 1e-9),
            seconds=seconds,
        )

    # -- inside ---------------------------------------------------------------------------

    def _header(self, torch_version: str) -> None:
        self.sink.event(
            f.Header(
                penlight=penlight.__version__,
                script=self.script,
                argv=tuple(self.argv),
                started=time.time(),
                mode=self.mode,
                torch=torch_version,
                python=platform.python_version(),
                rank=int(os.environ.get("RANK", "0") or 0),
                world=int(os.environ.get("WORLD_SIZE", "1") or 1),
            ).to_event()
        )
        self.sink.flush()

    def _stepped(self) -> None:
        parts = self.parts
        if parts is None:
            return
        if parts.nonfinites.found and not self._alerted:
            self._alerted = True
            self.alert(f"step {parts.state.step}: a NaN or infinity appeared")
        if self.on_step is not None:
            try:
                self.on_step()
            except Exception as error:  # who follows the steps must not end the training
                self.on_step = None
                self._ledger.fail("step callback", error)
        if self.stop_after is not None and parts.state.step >= self.stop_after:
            raise Enough

    def alert(self, text: str) -> None:
        """Hand a sentence to all who listen."""
        for tell in self.on_alert:
            try:
                tell(text)
            except Exception as error:
                self._ledger.fail("alerts", error)

    def _fault(self, part: str, error: Exception) -> None:
        step = self.parts.state.step if self.parts is not None else 0
        what = f"{type(error).__name__}: {error}"
        if os.environ.get("PENLIGHT_DEBUG"):
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        self.sink.event(f.Fault(part=part, error=what[:500], step=step).to_event())
        self._tell(f"its {part} part failed ({what[:200]}) and is off; the training goes on.")
        if self.parts is not None:
            self.parts.broken(part)

    def _record_lost(self, error: Exception) -> None:
        what = f"{type(error).__name__}: {error}"[:200]
        self._tell(f"the record of this run ends here ({what}); the training goes on.")

    def _tell(self, text: str) -> None:
        """One line to whoever reads stderr, if anybody does."""
        with contextlib.suppress(Exception):
            sys.stderr.write("penlight: " + " ".join(text.split()) + "\n")
