"""scheduler-order: see the card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Hygiene, Optimizer, Schedule
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import LR


class SchedulerOrder(Pitfall):
    """The learning-rate schedule is stepped at the wrong time or in the wrong unit.

    Turning the page before it was read, or once a chapter where the book has pages: the reader is
    never where the teacher thinks.

    ## What happens
    A scheduler only counts calls of its `step()`. It does not know whether a call means a batch or
    an epoch. A schedule made for all steps of the run and called once an epoch stays in its
    warm-up for ever; a cosine made for the epochs and called every batch goes down and up again
    many times. Called before the optimiser's first step it skips its first rate.

    ## Symptoms
    - The printed learning rate is not the curve that was planned: nearly constant, or a saw.
    - torch warns that `lr_scheduler.step()` was called before `optimizer.step()`.

    ## Causes
    - `OneCycleLR(total_steps=epochs * len(loader))` with `scheduler.step()` outside of the loop
      over batches; or a warm-up in steps (`LambdaLR`) there: the run ends at its bottom.
    - `CosineAnnealingLR(T_max=epochs)` with `scheduler.step()` inside of it.
    - `scheduler.step()` at the top of the loop, as before torch 1.1.

    ## When not to worry
    `GradScaler` may skip the first step, and torch's warning is then harmless. One skipped rate of
    a slow schedule changes nothing, and a decay that never begins is a constant rate: both are
    told as notes. A cosine that is meant to swing can do so; torch has
    `CosineAnnealingWarmRestarts` for that. A schedule that has run dry is `lr-schedule-exhausted`.

    ## References
    - torch documentation of `torch.optim`: how to adjust the learning rate.
    - L. Smith and N. Topin, Super-Convergence, 2017: the one-cycle policy.
    """

    family = "optimisation"
    needs = (Schedule, Optimizer, Hygiene, LR)
    looks_like = {
        "lr-schedule-exhausted": (
            "A schedule that is exhausted has brought the rate to nothing; one that swings or "
            "waits has not."
        ),
        "lr-too-low": (
            "A rate that is too low was chosen so; a schedule that has not begun holds it down."
        ),
    }
    begun: float = limit(
        0.25,
        why="share of the calls it is made for that a schedule has got when its steps are over: a "
        "run that is stopped early ends with fewer steps, too, and is left alone by `same`; "
        "called once an epoch it is one over the batches of an epoch",
    )
    apart: float = limit(
        10.0, why="optimiser steps for one call of the scheduler: it is not called after each batch"
    )
    long: float = limit(
        40.0,
        why="calls that a warm-up needs: recipes warm up for 5 to 20 epochs, or for hundreds of "
        "optimiser steps and more",
    )
    same: float = limit(
        1.25,
        why="factor up to which the calls a schedule is made for are the optimiser's steps of the "
        "run: last batches and drop_last make a few percent",
    )
    rounds: float = limit(
        3.0,
        why="times its length that a cosine was called: at 2 it is back at its peak; once more is "
        "no rounding of the last epoch",
    )
    epochs: float = limit(
        1.3,
        why="factor up to which its length is the number of evaluation passes, which proves that "
        "it counts epochs: a last evaluation more or less, one before the first epoch",
    )
    skipped: float = limit(
        0.5, why="of the rate it began with: halving it before the first step is a visible loss"
    )
    steps: float = limit(40, why="shorter runs have no schedule to speak of")
    prescriptions = (
        Prescription(
            "Call scheduler.step() after every batch when the schedule was made in steps "
            "(OneCycleLR, warm-ups), right behind optimizer.step().",
            "It counts calls, and was told how many there would be.",
            edits=("schedule-by-step",),
        ),
        Prescription(
            "Call it once an epoch when it was made in epochs (T_max=epochs, StepLR).",
            "Then its end and that of the run fall together.",
            edits=("schedule-by-epoch",),
        ),
        Prescription(
            "Call optimizer.step() first and scheduler.step() behind it.",
            "Otherwise the first rate is never used.",
        ),
    )
    _by_step = prescriptions[:1]
    _by_epoch = prescriptions[1:2]
    _order = prescriptions[2:]
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, epochs, batches = 8, 12, 40
centres = torch.randn(classes, 3, 2)
labels = torch.randint(0, classes, (2500,))
modes = torch.randint(0, 3, (2500,))
points = centres[labels, modes] + 0.15 * torch.randn(2500, 2)
train_x, train_y, val_x, val_y = points[:2000], labels[:2000], points[2000:], labels[2000:]

model = nn.Sequential(
    nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=0.2, total_steps=epochs * batches, div_factor=200, cycle_momentum=False
)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(epochs):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    rate = optimizer.param_groups[0]["lr"]
    print(f"epoch {epoch:2d}: rate {rate:.4f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "        optimizer.step()\n    scheduler.step()",
                "        optimizer.step()\n        scheduler.step()",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        if run.steps < self.steps:
            return
        rate = run.series(LR).finite
        for fact in {x.index: x for x in run.all(Schedule)}.values():
            yield from self._slow(run, fact, rate)
            yield from self._warming(run, fact, rate)
            yield from self._round(run, fact, rate)
            yield from self._first(run, fact, rate)

    def _slow(self, run: Run, fact: Schedule, rate: Series) -> Iterator[Finding]:
        """Made for the steps of the run, called once an epoch."""
        if not fact.horizon or fact.calls < 1 or fact.loaded:
            return
        near = 1 / self.same < fact.horizon / run.steps < self.same
        # One that was gone when the run ended has been called on at the same pace.
        calls = round(fact.calls * run.steps / max(fact.step, 1))
        if not near or calls > self.begun * fact.horizon:
            return
        rising = len(rate) > 1 and float(rate.values[-1]) > float(rate.values[0])
        yield self._say(
            f"{fact.type} is made for {fact.horizon} calls, the steps of this run, and was called "
            f"{calls} times: the run saw the first {calls / fact.horizon:.0%} of it.",
            fact,
            rate,
            (
                f"{fact.calls} calls of scheduler.step() for {fact.step} optimiser steps",
                calls / fact.horizon,
                self.begun,
            ),
            severity="critical" if rising else "note",
            prescriptions=self._by_step,
        )

    def _warming(self, run: Run, fact: Schedule, rate: Series) -> Iterator[Finding]:
        """A warm-up in optimiser steps that is called once an epoch, and hardly begins."""
        if fact.horizon or fact.loaded or fact.calls < 1 or not fact.base_lr > 0 or not rate:
            return
        reached = float(rate.values[-1]) / fact.base_lr
        rises = bool((np.diff(rate.values) >= 0).all()) and rate.values[-1] > rate.values[0]
        if not rises or reached > self.begun or fact.calls * self.apart > fact.step:
            return
        calls = max(fact.calls, len(rate) - 1)  # it may have been gone when the run ended
        whole = calls / reached
        if whole < self.long:
            return
        told = (
            f"about {calls} calls of scheduler.step() for {run.steps} optimiser steps; at the end "
            f"{reached:.0%} of the rate that the optimiser was given"
        )
        yield self._say(
            f"{fact.type} is still warming up when the run ends, at {reached:.0%} of the learning "
            f"rate of {fact.base_lr:.3g}: it was called about {calls} times in {run.steps} steps, "
            f"and would need about {whole:.0f} calls.",
            fact,
            rate,
            (told, reached, self.begun),
            severity="critical",
            prescriptions=self._by_step,
        )

    def _round(self, run: Run, fact: Schedule, rate: Series) -> Iterator[Finding]:
        """Made for the epochs of the run, called every batch: a cosine swings."""
        if fact.type != "CosineAnnealingLR" or not fact.horizon or fact.loaded:
            return
        passes = run.hygiene.eval_gaps
        epochs = passes > 1 and 1 / self.epochs <= fact.horizon / passes <= self.epochs
        if fact.calls < self.rounds * fact.horizon or not epochs:
            return
        told = (
            f"T_max is {fact.horizon}, near the {passes} evaluation passes; scheduler.step() "
            f"was called {fact.calls} times in {fact.step} optimiser steps"
        )
        yield self._say(
            f"{fact.type} is made for {fact.horizon} calls and was called {fact.calls} times: the "
            f"rate went down and up again {fact.calls / fact.horizon / 2:.0f} times.",
            fact,
            rate,
            (
                told,
                fact.calls / fact.horizon,
                self.rounds,
            ),
            severity="warning",
            prescriptions=self._by_epoch,
        )

    def _first(self, run: Run, fact: Schedule, rate: Series) -> Iterator[Finding]:
        """Called before the optimiser's first step, so that its first rate was skipped."""
        if not fact.early or fact.loaded or not rate or fact.built_lr <= 0:
            return
        if len(run.optimizers) != 1 or fact.early > 1:
            return  # several optimisers, or fast-forwarded on purpose
        first = float(rate.values[0])
        lost = first < self.skipped * fact.built_lr
        yield self._say(
            "scheduler.step() is called before optimizer.step(): the first rate of "
            f"{fact.built_lr:.3g} was never used, the run began at {first:.3g}.",
            fact,
            rate,
            (
                f"{fact.early} call of scheduler.step() before the first optimizer.step()",
                fact.early,
                0,
            ),
            severity="warning" if lost else "note",
            prescriptions=self._order,
        )

    def _say(
        self,
        says: str,
        fact: Schedule,
        rate: Series,
        evidence: tuple[str, float, float],
        *,
        severity: str,
        prescriptions: tuple[Prescription, ...],
    ) -> Finding:
        told, value, threshold = evidence
        span = f"the rate lay between {np.min(rate.values):.3g} and {np.max(rate.values):.3g}"
        return self.finding(
            says,
            Evidence("schedule", told, where=fact.type, value=value, limit=threshold),
            *([Evidence(LR.name, span, where=fact.type)] if rate else []),
            severity=severity,  # type: ignore[arg-type]  # one of the three words
            confidence=0.9,
            exact=severity != "note",
            where=fact.type,
            source=fact.source,
            first_step=0,
            prescriptions=prescriptions,
        )
