"""One training watched from inside a framework: what all of its callbacks share."""

from __future__ import annotations

import functools
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, ClassVar, ParamSpec, SupportsFloat

import numpy as np

from penlight.core.facts import Predictions
from penlight.core.finding import Diagnosis
from penlight.core.run import Run
from penlight.core.vocabulary import OUTPUT_GRAD, UPDATE_RATIO
from penlight.diagnosis import diagnose
from penlight.probe import Probe
from penlight.report.terminal import as_text
from penlight.store.folder import new_run_folder
from penlight.store.memory import MemorySink
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

P = ParamSpec("P")
log = logging.getLogger(__name__)

HELD_OUT = {"val", "valid", "validation", "eval", "evaluation", "test", "dev"}
LAYERS = 16  # layers and parameters that get a curve of their own; of more, evenly chosen ones


class Gauge(MemorySink):
    """A record in memory that knows its newest values."""

    def __init__(self) -> None:
        super().__init__()
        self._newest: dict[str, dict[str, tuple[int, float]]] = {}  # by signal and site
        self._order: dict[str, int] = {}
        self._last = self._told = -1  # newest step on record, and newest one told
        self.judged = False  # the probe has seen an evaluation itself
        self.lasting: dict[str, float] = {}  # of `metrics`, the numbers that stand for all

    def event(self, event: Mapping[str, Any]) -> None:
        super().event(event)
        if event.get("fact") == "module":
            self._order[event["name"]] = event["order"]
        elif event.get("fact") == "predictions":
            self.judged |= event["phase"] == "eval" and event["samples"] > 0

    def points(self, signal: str, site: str, steps: Sequence[int], values: Sequence[float]) -> None:
        super().points(signal, site, steps, values)
        if signal in (OUTPUT_GRAD.name, UPDATE_RATIO.name) and steps:
            self._newest.setdefault(signal, {})[site] = steps[-1], values[-1]
            self._last = max(self._last, steps[-1])

    def metrics(self) -> dict[str, float]:
        """The newest light and update ratios by name, if any are newer than the last time.

        `penlight/light` is what is left at the first layer, `penlight/update_ratio` the median
        over the parameters; `penlight_layers/...` has them one by one.
        """
        if self._last <= self._told:
            return {}
        self._told = self._last
        found: dict[str, float] = {}
        light, updates = self._light(), _of_last_step(self._newest.get(UPDATE_RATIO.name, {}))
        if light:
            found["penlight/light"] = next(iter(light.values()))
        if updates:
            found["penlight/update_ratio"] = median(updates.values())
        self.lasting.update(found)
        for name, values in (("light", light), ("update_ratio", updates)):
            for site in _evenly(list(values), LAYERS):
                found[f"penlight_layers/{name}/{site}"] = values[site]
        return found

    def _light(self) -> dict[str, float]:
        """As `Run.light`, at the newest step: input first."""
        grads = _of_last_step(self._newest.get(OUTPUT_GRAD.name, {}))
        sites = sorted((s for s in grads if s in self._order), key=self._order.__getitem__)
        if not sites or not grads[sites[-1]] > 0:
            return {}
        return {site: grads[site] / grads[sites[-1]] for site in sites}


class Session:
    """Watches from `start` to `finish`, or listens to the `penlight run` around it.

    Args:
        budget: share of the training's time that watching may take, beyond one second.
        folder: where to keep the run, as in `penlight run --dir`; None: in memory only.
        alert: takes a sentence that cannot wait for the end, with the step, as a tracker does.
    """

    _running: ClassVar[Session | None] = None

    def __init__(
        self,
        budget: float = 0.01,
        folder: str | Path | None = None,
        alert: Callable[[str, int], None] | None = None,
    ) -> None:
        self.budget = budget
        self.folder = folder
        self.alert = alert
        self.kept = ""  # the run's folder, once there is one
        self.run: Run | None = None
        self._gauge: Gauge | None = None
        self._probe: Probe | None = None
        self._own = False
        self._diagnosis: Diagnosis | None = None

    def start(self, name: str) -> None:
        """Begin, with what the training is called in the record.

        Another session that still runs was left by an error: it ends here.
        """
        if Session._running is not None:
            Session._running.finish()
        Session._running = self
        self._gauge = Gauge()
        around = Probe.current
        self._own = around is None
        if around is not None:
            self._probe = around
            around.sink.listen(self._gauge)
            return
        self._probe = Probe(self._sink(name), script=name, mode="watch", budget=self.budget)
        if self.kept:
            self._probe.sink.listen(self._gauge)
        self._probe.on_alert.append(self._alerted)
        self._probe.start()

    def _alerted(self, text: str) -> None:
        log.warning("penlight: %s", text)
        if self.alert is not None and self._probe is not None:
            self.alert(text, self._probe.pulse.step)

    def metrics(self) -> dict[str, float]:
        """What is new since the last time: see `Gauge.metrics`."""
        return self._gauge.metrics() if self._gauge is not None else {}

    def lasting(self) -> dict[str, float]:
        """The two numbers of `metrics` that stand for all, as last measured, where they can be."""
        if self._probe is None or self._gauge is None:
            return {}
        self._probe.catch_up()
        self._gauge.metrics()
        return dict(self._gauge.lasting)

    def evaluated(self, metrics: Mapping[str, Any]) -> None:
        """Take the framework's word for an evaluation, unless the probe sees them itself.

        Args:
            metrics: its results by name; a held-out loss and accuracy go by their usual names.
        """
        if self._probe is None or self._gauge is None or self._gauge.judged:
            return
        numbers = {k: float(v) for k, v in metrics.items() if isinstance(v, SupportsFloat)}
        loss, accuracy = held_out(numbers)
        if loss:
            seen = Predictions(
                objective=loss,
                step=self._probe.pulse.step,
                loss=numbers[loss],
                accuracy=numbers.get(accuracy),
            )
            self._probe.sink.event(seen.to_event())

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Of what was seen so far; None before the start."""
        if self._gauge is not None:
            self.run, self._diagnosis = self._judge(self._gauge)
        return self._diagnosis

    def finish(self, error: BaseException | None = None) -> tuple[Run, Diagnosis] | None:
        """End it: what was seen, and the diagnosis; None when nothing was going on."""
        probe, gauge = self._probe, self._gauge
        self._probe = self._gauge = None
        if Session._running is self:
            Session._running = None
        if probe is None or gauge is None:
            return None
        if self._own:
            said = f"{type(error).__name__}: {error}" if error is not None else ""
            probe.finish(1 if error is not None else 0, said)
        else:
            probe.catch_up()
            probe.sink.ignore(gauge)
        self.run, self._diagnosis = self._judge(gauge)
        return self.run, self._diagnosis

    def report(self) -> str:
        """The report as text; "" when the `penlight run` around it gives one."""
        if not self._own or self.run is None or self._diagnosis is None:
            return ""
        return as_text(self._diagnosis, self.run, folder=self.kept)

    @staticmethod
    def _judge(gauge: Gauge) -> tuple[Run, Diagnosis]:
        # The script may have turned warnings or floating-point flags into errors, for its own sake.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            run = gauge.run()
            return run, diagnose(run)

    def _sink(self, name: str) -> MemorySink | Writer:
        assert self._gauge is not None
        if self.folder is None:
            return self._gauge
        folder = new_run_folder(Path(self.folder), name)
        self.kept = str(folder)
        return Writer(folder / segment_name(0))


def harmless(method: Callable[P, None]) -> Callable[P, None]:
    """A framework's callback whose faults are told and go no further: the training goes on."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # the law: our faults end here
            log.warning("penlight: %s failed (%r); the training goes on.", method.__name__, error)

    return call


def words(name: str) -> set[str]:
    """The words in the name of a metric."""
    return {x for x in re.split(r"[^a-z]+", name.lower()) if x}


def held_out(names: Iterable[str]) -> tuple[str, str]:
    """Which of some metrics are the loss and the accuracy on held-out data; "" for none."""
    found = ["", ""]
    for name in names:
        inside = words(name)
        for place, kinds in enumerate(({"loss"}, {"acc", "accuracy"})):
            if inside & HELD_OUT and inside & kinds and not found[place]:
                found[place] = name
    return found[0], found[1]


def summary(diagnosis: Diagnosis) -> dict[str, float]:
    """The verdict as numbers, for a tracker."""
    alarms = diagnosis.alarms
    return {
        "penlight/findings": float(len(alarms)),
        "penlight/critical": float(sum(x.severity == "critical" for x in alarms)),
    }


def _of_last_step(values: Mapping[str, tuple[int, float]]) -> dict[str, float]:
    last = max((step for step, _ in values.values()), default=0)
    return {site: value for site, (step, value) in values.items() if step == last}


def _evenly(sites: list[str], most: int) -> list[str]:
    """At most so many of them, the first and the last included."""
    if len(sites) <= most:
        return sites
    return [sites[round(i * (len(sites) - 1) / (most - 1))] for i in range(most)]
