"""Penlight in Keras 3 on the torch backend.

model.fit(..., callbacks=[PenlightCallback()])
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penlight.core.finding import Diagnosis
from penlight.errors import MissingPackageError, PenlightError
from penlight.integrations.session import Session, harmless
from penlight.integrations.trackers import Trackers, alert

try:
    import keras
    from keras.src.utils import io_utils  # what Keras' own callbacks speak through
except ModuleNotFoundError as error:
    raise MissingPackageError("Keras", "keras") from error


class PenlightCallback(keras.callbacks.Callback):
    """Watches `Model.fit` and says at its end what is wrong and why.

    Light and update ratio go into the logs of each epoch, and so into the history and to the
    callbacks that come after this one.

    Args:
        budget: share of the training's time that watching may take, beyond one second.
        folder: where to keep the run for `penlight report`, e.g. ".penlight"; None: nowhere.

    Raises:
        PenlightError: Keras runs on another backend than torch.
    """

    def __init__(self, budget: float = 0.01, folder: str | Path | None = None) -> None:
        super().__init__()
        if (backend := keras.backend.backend()) != "torch":
            raise PenlightError(
                f"Keras runs on {backend} here, and Penlight watches its torch backend: set "
                'os.environ["KERAS_BACKEND"] = "torch" before the first import of keras.'
            )
        self._session = Session(budget, folder, alert)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Of the fit so far, or of the last one; None before the first."""
        return self._session.diagnosis

    @harmless
    def on_train_begin(self, logs: Any = None) -> None:
        self._session.start(self.model.name)

    @harmless
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            self._session.evaluated(logs)
            logs.update(self._session.lasting())

    @harmless
    def on_train_end(self, logs: Any = None) -> None:
        seen = self._session.finish()
        if seen is None:
            return
        run, diagnosis = seen
        Trackers().verdict(diagnosis, run, run.steps)
        if text := self._session.report():
            io_utils.print_msg(text)
