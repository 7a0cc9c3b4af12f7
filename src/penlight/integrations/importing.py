"""Makes a run of a history that another tool has kept, as far as that goes.

A history holds curves. What the layers did, what went into the loss and in what order things were
called is not in it; each of these is recorded as unseen, so that silence is not taken for health.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penlight import __version__
from penlight.core import facts as f
from penlight.core.vocabulary import GRAD_NORM, LOSS, LR
from penlight.errors import PenlightError
from penlight.integrations.histories import History
from penlight.integrations.session import HELD_OUT, words
from penlight.report.words import count
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

TRAINING = {"train", "training", "loss", "step", "batch", "epoch", "total", "iter"}
GRADIENT = re.compile(r"(?i).*?grad(?:ient)?s?[\d._/ ]*norm(?:_total)?(.*)")
SITE = "history"

# What the catalogue looks at and no history tells, with the reason.
UNSEEN = (
    ("the light and the layers", "a history holds no outputs of modules and no gradients at them"),
    ("the wiring", "a history holds no graph of the loss: a softmax too many would not show"),
    ("inputs and targets", "a history holds no data"),
    ("the order of calls", "zero_grad(), eval() and step() leave no trace in a history"),
)


@dataclass(frozen=True)
class Roles:
    """Which series of a history stands for what."""

    loss: str = ""
    held_out: str = ""
    accuracy: str = ""  # on held-out data
    lr: str = ""
    gradients: Mapping[str, str] = field(default_factory=dict)  # series by parameter
    unused: tuple[str, ...] = ()

    @property
    def read(self) -> str:
        """What was taken for what, in a sentence."""
        said = [f"{self.loss!r} as the training loss"]
        said += [f"{self.held_out!r} as the loss on held-out data"] if self.held_out else []
        said += [f"{self.accuracy!r} as accuracy there"] if self.accuracy else []
        said += [f"{self.lr!r} as the learning rate"] if self.lr else []
        if self.gradients:
            said.append(count(len(self.gradients), "gradient norm"))
        left = f"; left aside: {', '.join(self.unused[:6])}" if self.unused else ""
        more = f" and {len(self.unused) - 6} more" if len(self.unused) > 6 else ""
        return ", ".join(said) + left + more


def roles(history: History, loss: str = "") -> Roles:
    """Tell the series apart by their names; of several the one with most points counts.

    Args:
        history: what was read.
        loss: the training loss, where its name is unusual.

    Raises:
        PenlightError: no series can be the training loss.
    """
    names = list(history.values)
    if loss and loss not in names:
        raise PenlightError(f"{history.where} has no series {loss!r}; it has {_listed(names)}.")

    def most(fits: Callable[[set[str]], bool]) -> str:
        fitting = [name for name in names if fits(words(name))]
        return max(fitting, key=lambda name: len(history.values[name]), default="")

    chosen = loss or most(lambda w: "loss" in w and w <= TRAINING)
    chosen = chosen or most(lambda w: "loss" in w and not w & HELD_OUT)
    if not chosen:
        raise PenlightError(
            f"No training loss was found in {history.where}; it has {_listed(names)}. Name the "
            "series: penlight import PATH --loss NAME"
        )
    gradients = {site: name for name in names if (site := _gradient(name))}
    found = Roles(
        loss=chosen,
        held_out=most(lambda w: "loss" in w and bool(w & HELD_OUT)),
        accuracy=most(lambda w: bool(w & {"acc", "accuracy"}) and bool(w & HELD_OUT)),
        lr=most(lambda w: "lr" in w or {"learning", "rate"} <= w),
        gradients=gradients,
    )
    used = {found.loss, found.held_out, found.accuracy, found.lr, *gradients.values()}
    unused = tuple(name for name in [*names, *sorted(history.other)] if name not in used)
    return Roles(found.loss, found.held_out, found.accuracy, found.lr, gradients, unused)


def keep(history: History, found: Roles, folder: Path, classes: int | None = None) -> None:
    """Write the history into a run folder, in the format of a watched run.

    Args:
        history: what was read.
        found: which series is which.
        folder: an empty run folder.
        classes: of a classification, so that the loss of guessing is known.
    """
    writer = Writer(folder / segment_name(0))
    steps = max((max(x) for x in history.values.values() if x), default=0) + 1
    write = writer.event
    write(f.Header(penlight=__version__, script=str(history.where), mode="import").to_event())
    for what, why in (*UNSEEN, *_missing(found)):
        write(f.Blind(what, why).to_event())
    rates = history.values.get(found.lr, {})
    if rates:
        kind = f.Optimizer(type="the optimiser", lr=next(iter(rates.values())))
        write(kind.to_event())
    if classes is not None:
        for fact in _guessing(classes):
            write(fact.to_event())
    for signal, site, name in (
        (LOSS, SITE, found.loss),
        (LR, SITE, found.lr),
        *((GRAD_NORM, site, name) for site, name in found.gradients.items()),
    ):
        points = history.values.get(name, {})
        if points:
            writer.points(signal.name, site, list(points), list(points.values()))
    for seen in _passes(history, found):
        write(seen.to_event())
    write(f.End(script_exit=0, steps=steps, seconds=0.0).to_event())
    writer.close()


def _passes(history: History, found: Roles) -> Iterable[f.Predictions]:
    """Evaluations by step. How many samples they were over is not known."""
    accuracy = history.values.get(found.accuracy, {})
    for step, loss in sorted(history.values.get(found.held_out, {}).items()):
        yield f.Predictions(
            objective=found.held_out, step=step, loss=loss, accuracy=accuracy.get(step)
        )


def _guessing(classes: int) -> tuple[f.Fact, ...]:
    """What a cross-entropy over equally frequent classes would have told of itself."""
    site = f"cross_entropy@{SITE}"
    return (
        f.Objective(site, "cross_entropy", input_shape=(1, classes), target_dtype="int64"),
        f.Targets(site, samples=classes, integral=True, classes=(1,) * classes),
    )


def _missing(found: Roles) -> list[tuple[str, str]]:
    """What this history in particular does not tell."""
    said = []
    if not found.held_out:
        said.append(("overfitting", "no loss on held-out data was found in the history"))
    if not found.lr:
        said.append(("the learning rate", "no series of that name was found in the history"))
    if not found.gradients:
        said.append(("gradients", "no gradient norm was found in the history"))
    return said


def _gradient(name: str) -> str:
    """The parameter whose gradient norm a series holds, "all" for a total; "" for another."""
    found = GRADIENT.match(name)
    return "" if found is None else found[1].strip("/_.: ") or "all"


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(x) for x in names[:12]) or "no numbers at all"
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
