"""Penlight in PyTorch-Ignite.

penlight = PenlightHandler()
penlight.attach(trainer)
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from penlight.core.finding import Diagnosis
from penlight.errors import MissingPackageError
from penlight.integrations.session import Session, harmless, summary
from penlight.integrations.trackers import Trackers, alert

try:
    from ignite.engine import Events
except ModuleNotFoundError as error:
    raise MissingPackageError("Ignite", "ignite") from error


class PenlightHandler:
    """Watches a run of a trainer and says at its end what is wrong and why.

    Light and update ratio are kept in `trainer.state.metrics`, where Ignite's loggers find them;
    the report goes to the trainer's own logger.

    Args:
        budget: share of the training's time that watching may take, beyond one second.
        folder: where to keep the run for `penlight report`, e.g. ".penlight"; None: nowhere.
    """

    def __init__(self, budget: float = 0.01, folder: str | Path | None = None) -> None:
        self._session = Session(budget, folder, alert)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Of the run so far, or of the last one; None before the first."""
        return self._session.diagnosis

    def attach(self, trainer: Any) -> None:
        """Take part in every run of this engine from now on."""
        # Not in EXCEPTION_RAISED: an engine with a handler there no longer raises its errors.
        trainer.add_event_handler(Events.STARTED, self._begin)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._look)
        trainer.add_event_handler(Events.COMPLETED, self._finish)

    @harmless
    def _begin(self, trainer: Any) -> None:
        self._session.start(type(trainer).__name__ + " of Ignite")

    @harmless
    def _look(self, trainer: Any) -> None:
        trainer.state.metrics.update(self._session.metrics())

    @harmless
    def _finish(self, trainer: Any) -> None:
        seen = self._session.finish()
        if seen is None:
            return
        run, diagnosis = seen
        trainer.state.metrics.update(summary(diagnosis))
        Trackers().verdict(diagnosis, run, trainer.state.iteration)
        if text := self._session.report():
            level = logging.WARNING if diagnosis.alarms else logging.INFO
            trainer.logger.log(level, "\n%s", text)
