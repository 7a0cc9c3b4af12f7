"""Penlight in Hugging Face's Trainer, and so in what is built on it (TRL).

    trainer = Trainer(..., callbacks=[PenlightCallback()])

A loop of your own around Accelerate needs no callback: `penlight run train.py` and
`penlight run -- accelerate launch train.py` see it as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penlight.core.finding import Diagnosis
from penlight.errors import MissingPackageError
from penlight.integrations.session import Session, harmless, summary
from penlight.integrations.trackers import Trackers

try:
    from transformers import TrainerCallback
    from transformers.utils import logging
except ModuleNotFoundError as error:
    raise MissingPackageError("Transformers", "transformers") from error

log = logging.get_logger("transformers.penlight")


class PenlightCallback(TrainerCallback):
    """Watches `Trainer.train` and says at its end what is wrong and why.

    Light and update ratios go into the trainer's log history and to the trackers that
    `report_to` has opened, as often as the loss; the findings go there at the end, and to the
    log of Transformers. Of several processes each watches itself, and the first one speaks.

    Args:
        budget: share of the training's time that watching may take, beyond one second.
        folder: where to keep the run for `penlight report`, e.g. ".penlight"; None: nowhere.
    """

    def __init__(self, budget: float = 0.01, folder: str | Path | None = None) -> None:
        self._trackers = Trackers()
        self._session = Session(budget, folder, self._trackers.alert)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Of the training so far, or of the last one; None before the first."""
        return self._session.diagnosis

    @harmless
    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._session.start(type(more.get("model")).__name__)

    @harmless
    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.is_world_process_zero:
            values = self._session.metrics()
            self._keep(state, values)
            self._trackers.scalars(values, state.global_step)

    @harmless
    def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._session.evaluated(more.get("metrics") or {})

    @harmless
    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        seen = self._session.finish()
        if seen is None or not state.is_world_process_zero:
            return
        run, diagnosis = seen
        self._keep(state, summary(diagnosis))
        self._trackers.verdict(diagnosis, run, state.global_step)
        if text := self._session.report():
            level = logging.WARNING if diagnosis.alarms else logging.INFO
            log.log(level, "\n%s", text)

    def _keep(self, state: Any, values: dict[str, float]) -> None:
        short = {k: v for k, v in values.items() if k.startswith("penlight/")}
        if short:
            state.log_history.append({**short, "epoch": state.epoch, "step": state.global_step})
