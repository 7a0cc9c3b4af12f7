"""Experiment trackers that are active in this process get the light, the updates, the verdict.

Nothing here opens a connection or a run of its own; it writes to what the script has opened.
"""

from __future__ import annotations

import gc
import logging
import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any
from weakref import WeakSet

from penlight.core.finding import Diagnosis
from penlight.core.run import Run
from penlight.integrations.session import summary
from penlight.report.terminal import as_text

log = logging.getLogger(__name__)

SHARE = 0.005  # of the time that looking for writers may take
FOREIGN = re.compile(r"[^\w\-. :/]")  # what MLflow does not allow in a metric's name


class Tracker(ABC):
    """One run of one tracker."""

    name = ""  # where there are several of a class

    @abstractmethod
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""

    @abstractmethod
    def alert(self, text: str, step: int) -> None:
        """Tell what cannot wait for the end, where the tracker shows it at once."""

    @abstractmethod
    def verdict(self, diagnosis: Diagnosis, run: Run, step: int) -> None:
        """Write the findings: their number, and the report in the form that suits the tracker."""


class TensorBoard(Tracker):
    """A `SummaryWriter` of torch or of tensorboardX."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def alert(self, text: str, step: int) -> None:
        self.writer.add_text("penlight/alerts", text, step)
        self.writer.flush()

    def verdict(self, diagnosis: Diagnosis, run: Run, step: int) -> None:
        closed = getattr(self.writer, "all_writers", self.writer) is None
        self.scalars(summary(diagnosis), step)
        self.writer.add_text("penlight", f"```\n{as_text(diagnosis, run)}\n```", step)
        if closed:  # it has opened another file of the same run for us
            self.writer.close()
        else:
            self.writer.flush()


class WandB(Tracker):
    """A run of Weights & Biases. Values go with the script's next row: its steps stay its own."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), commit=False)

    def alert(self, text: str, step: int) -> None:
        self.run.alert("penlight", text, level="ERROR")

    def verdict(self, diagnosis: Diagnosis, run: Run, step: int) -> None:
        self.scalars(summary(diagnosis), step)
        self.run.summary.update(summary(diagnosis))
        self.run.summary["penlight/causes"] = [x.pitfall for x in diagnosis.causes]
        self.run.log({"penlight/report": sys.modules["wandb"].Html(_page(diagnosis, run))})
        if diagnosis.critical:
            worst = diagnosis.causes[0]
            self.run.alert(f"penlight: {worst.pitfall}", worst.says, level="ERROR")


class MLflow(Tracker):
    """A run of MLflow, through a client: that can write to a run which the script has ended."""

    def __init__(self, client: Any, run_id: str) -> None:
        self.client = client
        self.run_id = run_id

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        kind, now = sys.modules["mlflow"].entities.Metric, int(time.time() * 1000)
        rows = [kind(FOREIGN.sub("_", name), x, now, step) for name, x in values.items()]
        self.client.log_batch(self.run_id, metrics=rows)

    def alert(self, text: str, step: int) -> None:
        self.client.set_tag(self.run_id, "penlight.alert", text)

    def verdict(self, diagnosis: Diagnosis, run: Run, step: int) -> None:
        self.scalars(summary(diagnosis), step)
        causes = ", ".join(x.pitfall for x in diagnosis.causes)
        self.client.set_tag(self.run_id, "penlight.causes", causes or "none")
        self.client.log_text(self.run_id, _page(diagnosis, run), "penlight/report.html")


class Trackio(Tracker):
    """A run of Trackio."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    def alert(self, text: str, step: int) -> None:
        trackio = sys.modules["trackio"]
        self.run.alert("penlight", text, level=trackio.AlertLevel.ERROR, step=step)

    def verdict(self, diagnosis: Diagnosis, run: Run, step: int) -> None:
        report = sys.modules["trackio"].Markdown(f"```\n{as_text(diagnosis, run)}\n```")
        self.run.log({**summary(diagnosis), "penlight/report": report}, step=step)


def tracker(thing: Any, run_id: str | None = None) -> Tracker | None:
    """The tracker behind an object that somebody logs to; None for one we do not know.

    Args:
        thing: a `SummaryWriter`, a run of W&B or Trackio, or a client of MLflow.
        run_id: which run, for a client of MLflow.
    """
    kind = type(thing)
    room = kind.__module__.partition(".")[0]
    if kind.__name__ == "SummaryWriter":
        return TensorBoard(thing)
    if room == "wandb" and hasattr(thing, "log"):
        return WandB(thing)
    if room == "mlflow" and run_id:
        return MLflow(thing, run_id)
    if room == "trackio" and hasattr(thing, "log"):
        return Trackio(thing)
    return None


class Trackers:
    """All that are active, found anew with each writing. A broken one is left alone, told once."""

    def __init__(self, find: Callable[[], list[Tracker]] | None = None) -> None:
        self._find = find or Search().active
        self._broken: set[str] = set()

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers to all of them."""
        if values:
            self._each(lambda each: each.scalars(values, step))

    def alert(self, text: str, step: int) -> None:
        """Tell all of them at once."""
        self._each(lambda each: each.alert(text, step))

    def verdict(self, diagnosis: Diagnosis, run: Run, step: int) -> None:
        """Write the findings to all of them."""
        self._each(lambda each: each.verdict(diagnosis, run, step))

    def _each(self, write: Callable[[Tracker], None]) -> None:
        try:
            found = self._find()
        except Exception as error:  # an unknown kind of logger
            log.warning("penlight: the trackers were not found: %r", error)
            return
        for each in found:
            name = each.name or type(each).__name__
            if name in self._broken:
                continue
            try:
                write(each)
            except Exception as error:  # a tracker's trouble must not end a training
                self._broken.add(name)
                log.warning("penlight: nothing more goes to %s: %s", name, error)


def alert(text: str, step: int) -> None:
    """Tell all trackers that are active now; a function, so that who holds it can be pickled."""
    Trackers().alert(text, step)


class Search:
    """Looks for what is active in this process, without importing any tracker."""

    def __init__(self) -> None:
        self._writers: WeakSet[Any] = WeakSet()
        self._next = 0.0
        self._mlflow = ""

    def active(self) -> list[Tracker]:
        """The trackers that the script has opened; MLflow's last run also after its end."""
        found: list[Tracker] = [TensorBoard(each) for each in self._boards()]
        wandb = getattr(sys.modules.get("wandb"), "run", None)
        if wandb is not None:
            found.append(WandB(wandb))
        mlflow = sys.modules.get("mlflow")
        with suppress(Exception):
            run = mlflow.active_run() if mlflow is not None else None
            self._mlflow = run.info.run_id if run is not None else self._mlflow
        if mlflow is not None and self._mlflow:
            found.append(MLflow(mlflow.MlflowClient(), self._mlflow))
        own = trackio_run()
        if own is not None:
            found.append(Trackio(own))
        return found

    def _boards(self) -> WeakSet[Any]:
        """Nobody keeps a list of writers but the garbage collector; asking it takes a while."""
        names = ("torch.utils.tensorboard.writer", "tensorboardX.writer")
        kinds = tuple(
            kind for x in names if (kind := getattr(sys.modules.get(x), "SummaryWriter", None))
        )
        now = perf_counter()
        if kinds and now >= self._next:
            self._writers.update(x for x in gc.get_objects() if issubclass(type(x), kinds))
            self._next = now + (perf_counter() - now) / SHARE
        return self._writers


def trackio_run() -> Any:
    """The current run of Trackio; None without one."""
    with suppress(Exception):
        return sys.modules["trackio"].context_vars.current_run.get()
    return None


def _page(diagnosis: Diagnosis, run: Run) -> str:
    from penlight.report.html import Arm, page

    return page(Arm(run, diagnosis))
