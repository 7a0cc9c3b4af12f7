"""Keeps a few rows of the data that a finding speaks of. Only when the user has asked for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from penlight.core import facts as f
from penlight.probe.state import State, first_tensor, measurable
from penlight.signals.samples import small

MOST = 8  # rows of each kind
TRAINING = 0.8  # share of a batch known from training: above, it is a look at the training set


class Offenders:
    """Rows with NaN or infinity, and held-out rows that were trained on."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.kept: dict[str, int] = {}
        self._seen: set[tuple[str, str]] = set()  # the next epoch brings the same ones again
        self._batch: Tensor | None = None  # of the newest training pass
        guard = state.ledger.guard
        self.trained = guard("samples", self._trained, anywhere=True)
        self.broke = guard("samples", self._broke, anywhere=True)
        self.leaked = guard("samples", self._leaked, anywhere=True)

    def _trained(self, args: Any) -> None:
        """A training pass has ended."""
        x = first_tensor(args)
        known = x is not None and x.dim() > 0 and x.numel() > 0 and measurable(x)
        self._batch = x.detach() if x is not None and known else None
        if self.state.armed:
            self._broke()

    def _broke(self) -> None:
        """The newest batch is looked at, or its loss is not finite: it may hold such values."""
        x = self._batch
        if x is None or self.kept.get("nonfinite", 0) >= MOST or not self.state.room():
            return
        if not x.is_floating_point():
            return
        bad = ~torch.isfinite(x.reshape(x.shape[0], -1)).all(1)
        for row in bad.nonzero()[:MOST, 0].tolist():
            self._keep("nonfinite", x, row, self.state.batches)

    def _leaked(self, x: Tensor, known: list[bool]) -> None:
        """Rows of an evaluation pass, and which of them were trained on."""
        if self.kept.get("leaked", 0) >= MOST or sum(known) > TRAINING * len(known):
            return
        for row in (i for i, hit in enumerate(known) if hit):
            self._keep("leaked", x, row, None)

    def _keep(self, why: str, x: Tensor, row: int, batch: int | None) -> None:
        if self.kept.get(why, 0) >= MOST:
            return
        shape, start, values = small(x[row])
        key = (why, repr(values))
        if key in self._seen:
            return
        self._seen.add(key)
        self.kept[why] = self.kept.get(why, 0) + 1
        self.state.write(
            f.Offender(
                why=why,
                step=self.state.step,
                batch=batch,
                row=row,
                whole=tuple(x.shape[1:]),
                integral=not x.is_floating_point(),
                start=start,
                shape=shape,
                values=tuple(values),
            )
        )
