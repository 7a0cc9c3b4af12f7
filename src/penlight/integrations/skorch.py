"""Penlight in skorch.

net = NeuralNetClassifier(..., callbacks=[PenlightCallback()])
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from penlight.core.finding import Diagnosis
from penlight.errors import MissingPackageError
from penlight.integrations.session import Session, harmless
from penlight.integrations.trackers import Trackers, alert

try:
    from skorch.callbacks import Callback
except ModuleNotFoundError as error:
    raise MissingPackageError("skorch", "skorch") from error


class PenlightCallback(Callback):
    """Watches a fit and says at its end what is wrong and why.

    Light and update ratio are recorded in the net's history each epoch, and so reach the
    callbacks that print or log it.

    Args:
        budget: share of the training's time that watching may take, beyond one second.
        folder: where to keep the run for `penlight report`, e.g. ".penlight"; None: nowhere.
        sink: what the report is given to, as in skorch's `PrintLog`.
    """

    def __init__(
        self,
        budget: float = 0.01,
        folder: str | Path | None = None,
        sink: Callable[[str], object] = print,
    ) -> None:
        self.budget = budget
        self.folder = folder
        self.sink = sink

    def initialize(self) -> PenlightCallback:
        # skorch takes every attribute without a trailing underscore for a parameter.
        self.session_ = Session(self.budget, self.folder, alert)
        return self

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Of the fit so far, or of the last one; None before the first."""
        return self.session_.diagnosis if hasattr(self, "session_") else None

    @harmless
    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **more: Any) -> None:
        self.session_.start(type(net.module_).__name__)

    @harmless
    def on_epoch_end(self, net: Any, **more: Any) -> None:
        self.session_.evaluated(net.history[-1])
        for name, value in self.session_.lasting().items():
            net.history.record(name.replace("/", "_"), value)

    @harmless
    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **more: Any) -> None:
        seen = self.session_.finish()
        if seen is None:
            return
        run, diagnosis = seen
        Trackers().verdict(diagnosis, run, run.steps)
        if (text := self.session_.report()) and (net.verbose or diagnosis.alarms):
            self.sink(text)
