"""adam-stale-second-moment: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penlight.core.facts import Optimizer, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import GRAD_SURPRISE, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import chance_loss
from penlight.pitfalls._spikes import moved_on


@dataclass(frozen=True, slots=True)
class Surprise:
    """One parameter's gradient outgrew what Adam remembers, for several looks on end."""

    site: str
    step: int
    value: float
    usual: float  # largest of the looks before


@dataclass(frozen=True, slots=True)
class Losses:
    """Medians of the loss before the change, after it, and at the end."""

    before: float
    after: float
    end: float


class AdamStaleSecondMoment(Pitfall):
    """Gradients have grown, and Adam still divides by their old size.

    Driving by last month's traffic report: the road was empty then, you step on it, and the jam is
    behind the bend.

    ## What happens
    Adam divides the gradient by the root of a running mean of its squares. With beta2 = 0.999 that
    mean needs a thousand steps to change. When gradients grow all at once, the old, small size is
    divided by, and steps are several times as long as the learning rate for dozens of steps.

    ## Symptoms
    - The loss jumps a few steps after the gradients have grown, and stays up.
    - The gradient is several times what Adam remembers, in many tensors, for many steps.

    ## Causes
    - A stage change: a loss term that is switched on, layers that are unfrozen, other data.
    - A feature that was absent for long and comes back; beta2 of 0.999 or more.

    ## When not to worry
    The jump alone does no harm if the loss does not follow. One surprising step is an outlier in
    the data: Adam has then noticed at the next one.

    ## References
    - M. Wortsman et al., Stable and low-precision training for large-scale vision-language
      models, 2023, arXiv 2304.13013: RMS spikes 1 to 8 steps before loss spikes.
    """

    family = "optimisation"
    needs = (GRAD_SURPRISE, LOSS, OBJECTIVE_LOSS, Optimizer, Parameter)
    caused_by = (
        "lr-too-high",
        "exploding-gradient",
        "nonfinite-loss",
        "not-shuffled",
        "missing-zero-grad",
        "plasticity-loss",
        "catastrophic-forgetting",
    )
    looks_like = {
        "loss-spike": (
            "A spike by an outlier comes with one long gradient; the next ones are as before."
        ),
    }
    floor: float = limit(
        2.3,
        why="Wortsman et al.'s alarm; stationary runs pass it in one of 800 tensor steps with "
        "beta2 0.999 (catalogue), so it must also last and stand out",
    )
    times: float = limit(
        2.0, why="the largest of the looks before: 9.6 against 2.4 at a shift of scale (catalogue)"
    )
    size: float = limit(1000, why="entries of a tensor: the mean over a bias fluctuates more")
    history: float = limit(20, why="looks before, to know what is usual")
    lasting: float = limit(
        2, why="looks on end: after one outlier Adam remembers too much, not too little"
    )
    near: float = limit(60, why="steps in which the loss follows: a step is that long for as many")
    rise: float = limit(
        1.5,
        why="by which the loss must have risen, above all of the looks before: the demo's rises "
        "from 1e-4 to 0.4, with beta2 0.95 a fifth of that",
    )
    paid: float = limit(
        0.04,
        why="of the loss of a guess, at the end: 0.05 in the demo, 0.01 in a run that has learnt "
        "its new data (cured demo of catastrophic-forgetting)",
    )
    slow: float = limit(0.99, why="beta2 below which Adam adapts within some dozens of steps")
    prescriptions = (
        Prescription(
            "Set beta2 to 0.95 or 0.98: `betas=(0.9, 0.95)`.",
            "Adam then notices within some twenty steps that gradients have grown.",
            "batches are very small: the shorter memory is noisier",
            edits=("betas",),
        ),
        Prescription(
            "Raise the weight of a new loss term, or the learning rate of unfrozen layers, slowly.",
            "The memory can follow.",
        ),
        Prescription(
            "Make a new optimiser at the change of stage.",
            "An empty memory corrects its own bias.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 6
centres = torch.randn(classes, 3, 20)
y = torch.randint(0, classes, (2400,))
x = centres[y, torch.randint(0, 3, (2400,))] + 0.5 * torch.randn(2400, 20)
train_x, train_y, val_x, val_y = x[:2000], y[:2000], x[2000:], y[2000:]

model = nn.Sequential(
    nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.999))
criterion = nn.CrossEntropyLoss()

for epoch in range(16):
    weight = 1e-4 if epoch < 15 else 1.0
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        (weight * loss).backward()
        optimizer.step()
    with torch.no_grad():
        val_loss = criterion(model(val_x), val_y).item()
    print(f"epoch {epoch:2d}: train {loss.item():.4f}, val {val_loss:.4f}")

print("RESULT " + json.dumps({"metric": "loss", "value": val_loss}))
""",
        cure=(("betas=(0.9, 0.999)", "betas=(0.9, 0.95)"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        slow = [o for o in run.optimizers if len(o.betas) > 1 and o.betas[1] >= self.slow]
        if len(run.optimizers) != 1 or not slow or moved_on(run):
            return
        sizes = {p.name: math.prod(p.shape) for p in run.parameters}
        found = [
            s
            for series in run.every(GRAD_SURPRISE)
            if sizes.get(series.site, 0) >= self.size
            and (s := self._surprise(series.finite)) is not None
        ]
        if not found:
            return
        first = min(found, key=lambda s: s.step)
        followed = self._followed(run, first.step)
        if followed is not None:
            yield self._finding(run, slow[0], found, first, followed)

    def _followed(self, run: Run, step: int) -> Losses | None:
        """The loss per target at the looks around a step, when it has risen there."""
        objective = run.objective
        loss = run.series(OBJECTIVE_LOSS, objective.site) if objective else run.series(LOSS)
        loss = loss.finite
        before = loss.values[loss.steps < step][-int(self.history) :]
        after = loss.between(step, step + self.near).values[1:]
        if len(before) < self.history / 2 or len(after) < self.lasting:
            return None
        found = Losses(
            float(np.median(before)),
            float(np.median(after)),
            float(np.median(loss.values[-int(self.lasting) :])),
        )
        risen = found.after > max(self.rise * found.before, float(before.max()))
        return found if risen else None

    def _costly(self, run: Run, loss: Losses) -> bool:
        """Whether the run still pays for it at its end."""
        chance = chance_loss(run) or 0.0
        return loss.end > max(self.rise * loss.before, self.paid * chance)

    def _surprise(self, series: Series) -> Surprise | None:
        """The first time that a gradient outgrows its memory for several looks."""
        history, lasting = int(self.history), int(self.lasting)
        for i in range(history, len(series) - lasting + 1):
            usual = float(series.values[i - history : i].max())
            window = series.values[i : i + lasting]
            if float(window.min()) > max(self.floor, self.times * usual):
                return Surprise(series.site, int(series.steps[i]), float(np.max(window)), usual)
        return None

    def _finding(
        self,
        run: Run,
        optimizer: Optimizer,
        found: list[Surprise],
        first: Surprise,
        loss: Losses,
    ) -> Finding:
        top = max(found, key=lambda s: s.value)
        last = first.step + int(self.near)
        return self.finding(
            f"At step {first.step} the gradients outgrew what {optimizer.type} remembers of them "
            f"(beta2={optimizer.betas[1]:g}) up to {top.value:.1f}-fold: its steps became too "
            f"long, and the loss rose from {loss.before:.2g} to {loss.after:.2g}.",
            Evidence(
                "grad_surprise",
                f"{top.value:.1f} times the remembered size at {top.site}, where {top.usual:.1f} "
                f"was the most before; {len(found)} parameters alike",
                where=top.site,
                steps=(top.step, top.step),
                value=top.value,
                limit=max(self.floor, self.times * top.usual),
            ),
            Evidence(
                "objective_loss",
                f"{loss.before:.2g} at the looks before step {first.step}, {loss.after:.2g} at "
                f"those after it, {loss.end:.2g} at the end",
                steps=(first.step, last),
                value=loss.after / max(loss.before, 1e-30),
                limit=self.rise,
            ),
            severity="warning" if self._costly(run, loss) else "note",
            confidence=0.8,
            where=optimizer.type,
            source=optimizer.source,
            first_step=first.step,
        )
