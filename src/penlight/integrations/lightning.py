"""Penlight in Lightning, under both of its names.

trainer = Trainer(callbacks=[PenlightCallback()])
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penlight.core.finding import Diagnosis
from penlight.errors import MissingPackageError
from penlight.integrations.session import Session, harmless, summary
from penlight.integrations.trackers import Tracker, Trackers, tracker

PACKAGES = ("lightning.pytorch", "pytorch_lightning")  # the same classes twice, not exchangeable


def _bases() -> tuple[Any, ...]:
    """`Callback` of the package that the script uses; of both while it has imported neither."""
    loaded = [name for name in PACKAGES if name in sys.modules]
    there = [x for x in PACKAGES if importlib.util.find_spec(x.partition(".")[0]) is not None]
    if not there:
        raise MissingPackageError("Lightning", "lightning")
    return tuple(importlib.import_module(name).Callback for name in loaded or there)


class PenlightCallback(*_bases()):  # type: ignore[misc]
    """Watches `Trainer.fit` and says at its end what is wrong and why.

    Light and update ratios go to the trainer's loggers as often as other metrics do, the findings
    go there at the end and to Lightning's own log. On several devices each rank watches itself,
    and the first one speaks.

    Args:
        budget: share of the training's time that watching may take, beyond one second.
        folder: where to keep the run for `penlight report`, e.g. ".penlight"; None: nowhere.
    """

    def __init__(self, budget: float = 0.01, folder: str | Path | None = None) -> None:
        super().__init__()
        self._loggers: Sequence[Any] = ()  # of the trainer, while it fits
        self._trackers = Trackers(self._find)
        self._session = Session(budget, folder, self._trackers.alert)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Of the fit so far, or of the last one; None before the first."""
        return self._session.diagnosis

    @harmless
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage == "fit":
            self._session.start(type(pl_module).__name__)
            self._loggers = trainer.loggers

    @harmless
    def on_train_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.loggers and trainer.global_step % trainer.log_every_n_steps == 0:
            self._trackers.scalars(self._session.metrics(), trainer.global_step)

    @harmless
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._session.evaluated(trainer.callback_metrics)

    @harmless
    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        self._finish(trainer)

    @harmless
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._finish(trainer, exception)

    def _finish(self, trainer: Any, error: BaseException | None = None) -> None:
        seen = self._session.finish(error)
        if seen is None or not trainer.is_global_zero:
            return
        run, diagnosis = seen
        self._trackers.verdict(diagnosis, run, trainer.global_step)
        self._loggers = ()
        if text := self._session.report():
            package = type(trainer).__module__.removesuffix(".trainer.trainer")
            level = logging.WARNING if diagnosis.alarms else logging.INFO
            logging.getLogger(package).log(level, "\n%s", text)

    def _find(self) -> list[Tracker]:
        return [_tracker(each) for each in self._loggers]


class _Metrics(Tracker):
    """A logger of Lightning's that we know nothing about but that it takes numbers."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger
        self.name = type(logger).__name__

    def scalars(self, values: Any, step: int) -> None:
        self.logger.log_metrics(dict(values), step=step)

    def alert(self, text: str, step: int) -> None:
        """Numbers are all that it takes: Penlight's own log has told the sentence."""

    def verdict(self, diagnosis: Diagnosis, run: Any, step: int) -> None:
        self.scalars(summary(diagnosis), step)
        self.logger.save()


def _tracker(logger: Any) -> Tracker:
    experiment = getattr(logger, "experiment", None)
    return tracker(experiment, getattr(logger, "run_id", None)) or _Metrics(logger)
