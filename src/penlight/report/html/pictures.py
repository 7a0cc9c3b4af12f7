"""From a run to the pictures of its page: what is drawn, as plain numbers. No colours, no HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from penlight.core.facts import NonFinite, Predictions
from penlight.core.finding import Diagnosis
from penlight.core.run import RECENT, Run, Series
from penlight.core.vocabulary import (
    ACT_RMS,
    ATTENTION_ENTROPY,
    ATTENTION_LOGIT,
    DEAD_SHARE,
    GRAD_NORM,
    LOSS,
    LR,
    SATURATED_SHARE,
    UPDATE_RATIO,
)
from penlight.pitfalls._curves import chance_loss, loss_curve
from penlight.pitfalls._evaluations import held_out_passes
from penlight.report import words as w
from penlight.report.html.fixes import FEWEST
from penlight.report.html.packing import Pack, means, thin

MAIN = 300  # spans of steps in the picture of the loss
SMOOTH = 80  # points of its mean
ROOM = 9_000  # spans over all layers together: what a page of ordinary size can hold
COARSE, FINE = 40, 150  # spans of one layer, at least and at most
MANY = 64  # layers from which on a layer's history leaves its biases out
CHANGES = 6  # of the learning rate, that are marked one by one
DWARFED = 0.1  # share of a linear axis that would be left to 96% of the values
BAND = (1e-4, 5e-2)  # of the update ratio; benchmarks/update_band.py


class Pictures:
    """Everything that is drawn of one run.

    Args:
        run: the run.
        diagnosis: what was found in it.
        pack: takes the numbers of all series.
    """

    def __init__(self, run: Run, diagnosis: Diagnosis, pack: Pack) -> None:
        self.run = run
        self.diagnosis = diagnosis
        self._pack = pack
        self._kept: dict[tuple[str, str], int] = {}

    def to_json(self) -> dict[str, Any]:
        """All pictures; one that has nothing to show is None or empty."""
        return {
            "steps": self.run.steps,
            "light": self.light(),
            "loss": self.loss(),
            "updates": self.updates(),
            "dead": self.shares(DEAD_SHARE.name),
            "saturated": self.shares(SATURATED_SHARE.name),
            "logits": self.shares(ATTENTION_LOGIT.name),
            "attention": self.shares(ATTENTION_ENTROPY.name),
        }

    def keep(self, series: Series) -> int:
        """The number of a layer's series on the page."""
        key = (series.signal, series.site)
        if key not in self._kept:
            self._kept[key] = self._pack.add(thin(series, self._spans))
        return self._kept[key]

    @cached_property
    def _spans(self) -> int:
        rows = 4 * max(1, len(self.run.light), len(self._matrices))
        return min(FINE, max(COARSE, ROOM // rows))

    @cached_property
    def _matrices(self) -> dict[str, str]:
        """Weights worth a line each, with the layer that owns them."""
        return {p.name: p.module for p in self.run.parameters if len(p.shape) > 1}

    # -- light ----------------------------------------------------------------------------

    def light(self) -> list[dict[str, Any]]:
        """The layers from input to output; empty when they are too few for a picture."""
        rows = []
        for name, left in self.run.light_now.items():
            series = self.run.light[name]
            module = self.run.module(name)
            rows.append(
                {
                    "name": w.clean(name),
                    "kind": w.clean(module.type) if module else "",
                    "source": w.clean(w.place(module.source)) if module and module.source else "",
                    "left": left,
                    "series": self.keep(series),
                    "more": self._history(name),
                }
            )
        return rows if len(rows) >= FEWEST else []

    def _history(self, layer: str) -> list[tuple[str, int]]:
        """What else was measured at a layer: (label, series)."""
        own = [p for p in self.run.parameters if p.module == layer]
        if len(self.run.light) > MANY:
            own = [p for p in own if len(p.shape) > 1]
        wanted = [
            *((f"gradient of {_leaf(p.name)}", GRAD_NORM.name, p.name) for p in own),
            *((f"update of {_leaf(p.name)}", UPDATE_RATIO.name, p.name) for p in own),
            ("output size (RMS)", ACT_RMS.name, layer),
        ]
        found = ((label, self.run.series(signal, site)) for label, signal, site in wanted)
        return [(label, self.keep(series)) for label, series in found if series]

    # -- loss -----------------------------------------------------------------------------

    def loss(self) -> dict[str, Any] | None:
        """Training and validation loss on one scale, the learning rate, and what happened when."""
        train = loss_curve(self.run)
        if not train:
            return None
        rate = self.run.series(LR)
        return {
            "train": self._pack.add(thin(train, MAIN)),
            "mean": self._pack.add(means(train, SMOOTH)) if len(train) > 4 * SMOOTH else None,
            "valid": self._validation(),
            "rate": self._pack.add(thin(rate, MAIN)) if len(rate) > 1 + CHANGES else None,
            "events": self._events(rate),
            "chance": chance_loss(self.run),
            "others": [
                [s.site, self._pack.add(thin(s, MAIN))] for s in list(self.run.every(LOSS))[1:4]
            ],
            "log": _wide(train),
        }

    def _validation(self) -> dict[str, Any] | None:
        """The passes over held-out data with the longest history, where their loss is known."""
        for passes in held_out_passes(self.run):
            series = losses(passes)
            if len(series) > 1:
                return {"series": self._pack.add(series), "samples": passes[0].samples}
        return None

    def _events(self, rate: Series) -> list[dict[str, Any]]:
        """What is marked on the curves, in order of time."""
        events = [
            {"step": x.first_step, "kind": "symptom", "says": x.pitfall}
            for x in self.diagnosis.alarms[:CHANGES]
            if x.first_step is not None
        ]
        events += [
            {"step": x.step, "kind": "nan", "says": "first value that is not finite"}
            for x in self.run.all(NonFinite)[:1]
        ]
        if 1 < len(rate) <= 1 + CHANGES:
            events += [
                {"step": int(step), "kind": "rate", "says": f"rate {w.number(float(value))}"}
                for step, value in zip(rate.steps[1:], rate.values[1:], strict=True)
            ]
        return sorted(events, key=lambda x: int(x["step"]))

    # -- weights and activations ----------------------------------------------------------

    def updates(self) -> list[dict[str, Any]]:
        """How far each step moves each weight matrix, from input to output."""
        names = [x for x in self.run.sites(UPDATE_RATIO) if x in self._matrices]
        place = {m.name: m.order for m in self.run.modules}
        names.sort(key=lambda x: place.get(self._matrices[x], len(place)))
        return self._rows(self.run.series(UPDATE_RATIO, x) for x in names)

    def shares(self, signal: str) -> list[dict[str, Any]]:
        """A number for each activation or attention, from input to output."""
        place = {m.name: m.order for m in self.run.modules}
        found = sorted(
            self.run.every(signal), key=lambda s: place.get(s.site.split(":")[0], len(place))
        )
        return self._rows(found)

    def _rows(self, found: Iterable[Series]) -> list[dict[str, Any]]:
        return [
            {
                "name": w.clean(s.site),
                "series": self.keep(s),
                "last": float(np.median(s.finite.values[-RECENT:])),
            }
            for s in found
            if s.finite
        ]


def losses(passes: Iterable[Predictions]) -> Series:
    """The loss of evaluation passes over the steps; of several at one step the last."""
    found = {p.step: p.loss for p in passes if p.loss is not None}
    steps = sorted(found)
    values = np.array([found[s] for s in steps], np.float64)
    return Series("predictions", "", np.array(steps, np.int64), values)


def _leaf(name: str) -> str:
    return w.clean(name.rsplit(".", 1)[-1])


def _wide(series: Series) -> bool:
    """Whether a logarithmic scale tells more."""
    values = series.finite.values
    if not len(values) or float(values.min()) <= 0:
        return False
    ends = np.quantile(values, [0.02, 0.98]) if len(values) > 100 else np.sort(values)[[0, -1]]
    low, high = ends.tolist()
    dwarfed = high - low < DWARFED * (float(values.max()) - low)  # a spike would flatten the rest
    return math.log10(high / low) > 2 or dwarfed
