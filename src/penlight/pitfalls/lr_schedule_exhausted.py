"""lr-schedule-exhausted: see the card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penlight.core.facts import Exam, Optimizer
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import ACCURACY, EXPLAINED, LOSS, LR, OBJECTIVE_LOSS
from penlight.pitfalls._curves import Progress, loss_curve, progress
from penlight.pitfalls._rates import rates


@dataclass(frozen=True, slots=True)
class Spent:
    """How a schedule spends its learning rate over the steps of a run."""

    peak: float
    last: float
    spent: float  # share of the steps after which 99% of the sum of all rates was used up
    idle: float  # share of the steps below a thousandth of the peak
    low: float  # share of the steps below a hundredth of it
    since: int  # first step below a hundredth of the peak


class LrScheduleExhausted(Pitfall):
    """The learning-rate schedule runs out long before the training does.

    A pocket torch whose battery lasts to the first bend of the cave: the walkers go on, but from
    there on nobody sees where.

    ## What happens
    A schedule shrinks the learning rate as training goes on. If its clock runs too fast, for
    instance because it counts batches where epochs were meant, the rate is next to nothing after
    a few percent of the run. All later steps together cannot move the weights any more: the sum
    of the remaining rates bounds the distance they can still travel.

    ## Symptoms
    - The loss falls for a moment and is then perfectly flat; more epochs change nothing.
    - Gradients are healthy, updates are tiny.
    - The printed learning rate has many zeros.

    ## Causes
    - `scheduler.step()` inside the batch loop with a step size or `T_max` meant in epochs.
    - Milestones or a decay copied from a run with more data or other batches.
    - `gamma` too small for the number of decays.

    ## When not to worry
    A cool-down at the end, one-cycle, cosine and warm restarts spend their rate over the whole
    run. A rate that was lowered because the loss no longer fell did its work.

    ## References
    - torch documentation of `torch.optim.lr_scheduler`.
    - A. Karpathy, A Recipe for Training Neural Networks (2019): do not trust learning-rate decay
      defaults.
    """

    family = "optimisation"
    needs = (LR, LOSS, OBJECTIVE_LOSS, ACCURACY, EXPLAINED, Optimizer, Exam)
    looks_like = {
        "plasticity-loss": (
            "A worn network does not learn at the first rate either; fresh weights do."
        ),
        "lr-too-low": (
            "A rate that is too low is so from the first step: it does not fall a thousandfold on "
            "the way."
        ),
        "scheduler-order": (
            "A schedule called in the wrong unit swings or never begins; it does not run dry."
        ),
        "stopped-too-early": "A run that was stopped early has its rate, and its loss still falls.",
    }
    early: float = limit(
        0.35,
        why="share of the run by which 99% of the sum of rates is spent; a cosine needs 0.9 of it, "
        "linear decay 0.9, step decays of the recipes 0.5 and more, a clock too fast 0.01 to 0.2",
    )
    idle: float = limit(
        0.5,
        why="share of steps below a thousandth of the peak rate: half of the run was for nothing",
    )
    learnt: float = limit(
        0.9,
        why="share of what there is to learn: a run that got this far had enough learning rate",
    )
    low: float = limit(
        0.5,
        why="share of steps below a hundredth of the peak rate, where less than half was learnt: "
        "1 / (1 + decay * t) counted in batches instead of epochs never gets to a thousandth; a "
        "cosine has 0.06, step decays of the recipes 0.3",
    )
    poor: float = limit(0.5, why="share of what there is to learn, in that case")
    unknown: float = limit(
        0.2,
        why="in place of `early` where the loss is of no known kind: the rate is gone before a "
        "fifth of the run, where even StepLR(30) over 200 epochs spends 0.3 of it",
    )
    nearly: float = limit(0.7, why="likewise, in place of `idle`")
    steps: float = limit(50, why="shorter runs have no schedule to speak of")
    sigmas: float = limit(
        2.0,
        why="standard errors by which the loss still fell in the last half before the rate was "
        "gone: a schedule that waits for a plateau leaves none",
    )
    again: float = limit(
        0.3,
        why="of the loss, in a few dozen steps from the last state at the first rate: a run that "
        "had arrived gains next to nothing, or loses",
    )
    short: float = limit(
        40, why="steps before the rate was gone: too few for a trend, and for any training"
    )
    prescriptions = (
        Prescription(
            "Call scheduler.step() once an epoch, outside of the batch loop.",
            "StepLR, ExponentialLR, CosineAnnealingLR and friends count calls, and most recipes "
            "mean epochs.",
            "the schedule was built in steps, as OneCycleLR and warmups are",
            edits=("schedule-by-epoch",),
        ),
        Prescription(
            "Or build it in steps: CosineAnnealingLR(optimizer, T_max=epochs * len(loader)).",
            "Then its end and that of the run fall together.",
        ),
        Prescription(
            "When in doubt train with a constant rate first.",
            "It shows what the model can learn at all.",
            edits=("constant-rate",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 8
centres = torch.randn(classes, 3, 2)
labels = torch.randint(0, classes, (2500,))
modes = torch.randint(0, 3, (2500,))
points = centres[labels, modes] + 0.15 * torch.randn(2500, 2)
train_x, train_y, val_x, val_y = points[:2000], labels[:2000], points[2000:], labels[2000:]

model = nn.Sequential(
    nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.1)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(20):
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
        val_loss = loss_fn(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch:2d}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "        scheduler.step()\n    model.eval()",
                "    scheduler.step()\n    model.eval()",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        spendings = [spending(series, run.steps) for series in run.every(LR)]
        found = max(filter(None, spendings), key=lambda s: s.spent, default=None)
        if run.steps < self.steps or found is None or None in spendings:
            return
        if len(spendings) != len(run.optimizers):
            return
        seen = progress(run)
        if seen is None or (seen.learnt is not None and seen.learnt >= self.learnt):
            return
        gone = found.spent < self.early or found.idle > self.idle
        faded = found.low > self.low and seen.learnt is not None and seen.learnt < self.poor
        if not gone and not faded:
            return
        several = len(spendings) > 1  # one may rest while another one learns
        if (several or seen.learnt is None) and (
            found.spent >= self.unknown or found.idle <= self.nearly
        ):
            return
        # What fades and falls no more may have arrived.
        falls = (gone or seen.falling) and self._was_falling(run, found.since)
        if not falls and not self._revives(run):
            return
        left = "nothing" if gone else "next to nothing"
        yield self.finding(
            f"The learning rate fell from {found.peak:.3g} to {_rate(found.last)}: after step "
            f"{found.since} of {run.steps} the schedule left {left} to learn with.",
            self._spent(run, found) if gone else self._faded(run, found),
            self._stands(seen),
            confidence=0.9,
            where=run.optimizers[0].type,
            source=run.optimizers[0].source,
            first_step=found.since,
        )

    def _spent(self, run: Run, found: Spent) -> Evidence:
        return Evidence(
            "lr",
            f"99% of the sum of all learning rates was spent in the first {found.spent:.0%} of "
            f"the steps; {found.idle:.0%} of the steps ran below a thousandth of the peak",
            steps=(found.since, run.steps - 1),
            value=found.spent,
            limit=self.early,
        )

    def _faded(self, run: Run, found: Spent) -> Evidence:
        return Evidence(
            "lr",
            f"{found.low:.0%} of the steps ran below a hundredth of the peak",
            steps=(found.since, run.steps - 1),
            value=found.low,
            limit=self.low,
        )

    def _stands(self, seen: Progress) -> Evidence:
        if seen.learnt is None:
            return Evidence(
                "loss",
                f"the loss began at {seen.first:.3g} and stands at {seen.end:.3g}; how much of it "
                "could be learnt is not known here",
                value=seen.end,
            )
        return Evidence(
            "objective_loss",
            f"the loss stands at {seen.end:.3g}, {seen.learnt:.0%} of what there is to learn",
            value=seen.learnt,
            limit=self.learnt,
        )

    def _was_falling(self, run: Run, since: int) -> bool:
        """Whether the loss was still on its way down while there was a rate to go with."""
        live = loss_curve(run).finite.between(0, since).values
        if len(live) < self.short:
            return True
        late, later = np.array_split(live[len(live) // 2 :], 2)
        error = float(np.hypot(late.std() / len(late) ** 0.5, later.std() / len(later) ** 0.5))
        return float(late.mean() - later.mean()) > self.sigmas * error

    def _revives(self, run: Run) -> bool:
        """Whether a few dozen steps at the first rate take the last state down once more."""
        again = rates(run, "rates_end")
        return again is not None and again.own > self.again


def _rate(value: float) -> str:
    return f"{value:.3g}" if value > 1e-12 else "practically zero"


def spending(lr: Series, steps: int) -> Spent | None:
    """How the rates of a series that holds only changes were spent over `steps` steps."""
    lr = lr.finite
    if len(lr) < 2 or steps < 2:
        return None
    lasts = np.diff(np.append(lr.steps, max(steps, int(lr.steps[-1]) + 1)))
    total = float((lr.values * lasts).sum())
    peak = float(lr.values.max())
    if total <= 0 or peak <= 0:
        return None
    used = np.cumsum(lr.values * lasts) / total
    place = int(np.searchsorted(used, 0.99))
    before = float(used[place - 1]) if place else 0.0
    into = (0.99 - before) / max(float(used[place]) - before, 1e-12) * float(lasts[place])
    top = int(lr.values.argmax())
    low = [i for i in range(top, len(lr)) if lr.values[i] < 0.01 * peak]

    def below(share: float) -> float:
        """Share of the steps behind the peak whose rate is below this share of it."""
        under = (lr.values < share * peak) & (np.arange(len(lr)) > top)
        return float(lasts[under].sum()) / steps

    return Spent(
        peak=peak,
        last=float(lr.values[-1]),
        spent=(float(lr.steps[place]) + into) / steps,
        idle=below(1e-3),
        low=below(1e-2),
        since=int(lr.steps[low[0]]) if low else int(lr.steps[-1]),
    )
