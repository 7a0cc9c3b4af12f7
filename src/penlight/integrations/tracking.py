"""`penlight run --track`: what the probe sees goes to the trackers that the script has opened."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from time import perf_counter
from typing import Any

from penlight.diagnosis import diagnose
from penlight.integrations.session import Gauge
from penlight.integrations.trackers import Search, Trackers, trackio_run
from penlight.probe import Probe

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two writings at least ...
SHARE = 0.005  # ... and so long that they take no more than this share of the time


class Tracking:
    """Listens to a probe and writes to the trackers that are active in its process."""

    def __init__(self) -> None:
        self._gauge = Gauge()
        self._trackers = Trackers(Search().active)
        self._pid = os.getpid()
        self._probe: Probe | None = None
        self._next = 0.0
        self._closing: set[int] = set()  # runs that tell us before they close
        self._done = False

    def start(self, probe: Probe) -> None:
        """Begin to listen, from the first step on."""
        self._probe = probe
        probe.sink.listen(self._gauge)
        probe.on_step = self._stepped
        probe.on_alert.append(self._alert)

    def finish(self) -> None:
        """The script is over, and its trackers may still be open: write the findings."""
        if self._probe is None or self._done or os.getpid() != self._pid:
            return
        self._done = True
        try:
            run = self._gauge.run()
            self._trackers.scalars(self._gauge.metrics(), run.steps)
            self._trackers.verdict(diagnose(run), run, run.steps)
        except Exception as error:  # the script's own end must not suffer from it
            log.warning("penlight: the findings did not reach the trackers: %r", error)

    def _stepped(self) -> None:
        now = perf_counter()
        if now < self._next or self._probe is None or os.getpid() != self._pid:
            return
        self._trackers.scalars(self._gauge.metrics(), self._probe.pulse.step)
        with suppress(Exception):  # the private part of a tracker: without it, no findings there
            self._before_closing()
        self._next = perf_counter() + max(EVERY, (perf_counter() - now) / SHARE)

    def _alert(self, text: str) -> None:
        """What the report says only at the end may end the training before."""
        if self._probe is not None and os.getpid() == self._pid:
            self._trackers.alert(text, self._probe.pulse.step)

    def _before_closing(self) -> None:
        """A run of W&B or Trackio takes nothing more once the script has finished it."""
        run: Any = getattr(sys.modules.get("wandb"), "run", None)
        if run is not None and id(run) not in self._closing:
            self._closing.add(id(run))
            stage = sys.modules["wandb.sdk.wandb_run"]
            hook = stage.TeardownHook(self._last_chance, stage.TeardownStage.EARLY)
            run._teardown_hooks.append(hook)
        run = trackio_run()
        if run is not None and id(run) not in self._closing:
            self._closing.add(id(run))
            finish = run.finish

            def finishing() -> None:
                self._last_chance()
                finish()

            run.finish = finishing

    def _last_chance(self) -> None:
        if self._probe is not None:
            self._probe.catch_up()
        self.finish()
