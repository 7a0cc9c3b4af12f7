"""loss-spike: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Objective, Optimizer
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, LR
from penlight.pitfalls._curves import progress
from penlight.pitfalls._spikes import Spike, moved_on, spikes


class LossSpike(Pitfall):
    """The training loss jumps up at once and takes long to come back.

    A pothole on a smooth road: it is felt for a moment, but the suspension may be bent for good.

    ## What happens
    One step went much too far: a single sample with an enormous loss, or a steep place in the
    landscape. It throws the model out of where it had come to, and what follows is spent on
    finding the way back, until the next one comes.

    ## Symptoms
    - A loss that falls evenly, then stands at a multiple of it from one step to the next.
    - The gradient's norm is far above its usual at that step.

    ## Causes
    - Outliers or glitches in the data, with a squared loss.
    - No gradient clipping; a learning rate near the edge; Adam's second moment out of date.

    ## When not to worry
    A hard batch has a large loss, too, but the next one is as before: that is no spike here. Nor
    is a jump right after the rate was raised on purpose, as warm restarts do.

    ## References
    - A. Chowdhery et al., PaLM, 2022, arXiv 2204.02311, section 5.1: skipping the batches around.
    - V. Godbole et al., Deep Learning Tuning Playbook (2023): clip at the 90th percentile.
    """

    family = "optimisation"
    needs = (LOSS, LR, Objective, Optimizer)
    caused_by = (
        "lr-too-high",
        "exploding-gradient",
        "residual-stream-blowup",
        "nonfinite-loss",
        "nonfinite-or-corrupt-data",
        "missing-zero-grad",
        "not-shuffled",
        "input-scale",
        "target-scale",
        "plasticity-loss",
        "catastrophic-forgetting",
    )
    looks_like = {
        "adam-stale-second-moment": (
            "Where Adam's memory is out of date, gradients stay large for many steps before it."
        ),
        "lr-too-high": (
            "A rate that is too high shakes the loss all the time, and a tenth of it does better."
        ),
    }
    lost: float = limit(
        0.1,
        why="share of the steps from the spikes to where the loss was back: less is soon made good",
    )
    learnt: float = limit(
        0.9,
        why="share of what there is to learn: a run that came back and got there has lost nothing",
    )
    fine: float = limit(
        0.96,
        why="the same for a run that has not come back: what a change of the data leaves behind "
        "(0.98 in the cured demo of catastrophic-forgetting, 0.95 in the demo here)",
    )
    restart: float = limit(
        1.5, why="by which the rate rose shortly before: then the jump was to be expected"
    )
    stays: float = limit(
        2.0,
        why="times the loss before, where it never came back: the errors of a PPO's critic grow to "
        "1.5 times with what it earns (CartPole), a network that a step threw off loses more, as "
        "the demo's, hundreds of times",
    )
    near: float = limit(20, why="steps before a spike in which such a rise counts")
    prescriptions = (
        Prescription(
            "Clip the gradient's norm before each step: "
            "`torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)`.",
            "No single batch can then move the weights further than an ordinary one.",
            edits=("clip-gradients",),
        ),
        Prescription(
            "Look at the batch of that step: an outlier is repaired, left out, or made harmless by "
            "a loss that grows linearly, as `nn.HuberLoss`.",
            "A squared loss weighs a sample that is 150 times off 22,500 times.",
        ),
        Prescription(
            "Lower the learning rate, or go back to a checkpoint and skip a few hundred batches.",
            "The same batch rarely spikes from another state.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
rows, batch = 24000, 40
x = torch.randn(rows + 400, 8)
y = torch.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]
y = (y - y.mean()) / y.std()
train_x, train_y, val_x, val_y = x[:rows], y[:rows].clone(), x[rows:], y[rows:]
train_y[20007] = 150.0

model = nn.Sequential(
    nn.Linear(8, 64), nn.LeakyReLU(0.1), nn.Linear(64, 64), nn.LeakyReLU(0.1), nn.Linear(64, 1)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
criterion = nn.MSELoss()

for step, start in enumerate(range(0, rows, batch)):
    optimizer.zero_grad()
    loss = criterion(model(train_x[start : start + batch]), train_y[start : start + batch])
    loss.backward()
    optimizer.step()
    if step % 50 == 49:
        with torch.no_grad():
            val_loss = criterion(model(val_x), val_y).item()
        print(f"step {step}: train {loss.item():.3f}, val {val_loss:.3f}")

print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": val_loss}))
""",
        cure=(
            (
                "    optimizer.step()",
                ("    nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n    optimizer.step()"),
            ),
        ),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = progress(run)
        if len(run.optimizers) != 1 or seen is None or seen.broken is not None:
            return
        if seen.learnt is None or seen.learnt >= self.fine or moved_on(run):
            return  # the loss of a game or of an agent moves by itself; so it does on other data
        loss = run.series(LOSS)
        found = [s for s in spikes(loss) if self._counts(s) and not self._restarted(run, s)]
        if not found:
            return
        last = int(loss.steps[-1])
        away = [s.recovered if s.recovered is not None else last - s.step for s in found]
        lost, open_end = sum(away) / max(run.steps, 1), found[-1].recovered is None
        if lost < self.lost or (seen.learnt >= self.learnt and not open_end):
            return
        worst = max(found, key=lambda s: s.height)
        then = (
            "it has not come back since"
            if open_end
            else f"it took {max(away)} steps until it was back"
        )
        yield self.finding(
            f"At step {worst.step} the loss jumped from {worst.before:.3g} to {worst.peak:.3g}, "
            f"and {then}; {lost:.0%} of the run went into "
            f"{len(found)} such {'spike' if len(found) == 1 else 'spikes'}.",
            Evidence(
                "loss",
                f"{worst.before:.3g} before step {worst.step}, {worst.after:.3g} over the steps "
                f"after it, {worst.peak:.3g} at most",
                steps=(worst.step, worst.step + 20),
                value=worst.after / worst.before,
                limit=1.5,
            ),
            severity="warning",
            confidence=0.8,
            where=run.optimizers[0].type,
            source=run.optimizers[0].source,
            first_step=found[0].step,
        )

    def _counts(self, spike: Spike) -> bool:
        """Whether a jump is large enough for what it is: one for good may be another task."""
        return spike.recovered is not None or spike.after >= self.stays * spike.before

    def _restarted(self, run: Run, spike: Spike) -> bool:
        """Whether the rate rose shortly before."""
        rates = run.series(LR).finite
        for before, after, step in zip(
            rates.values, rates.values[1:], rates.steps[1:], strict=False
        ):
            if 0 <= spike.step - int(step) <= self.near and after > self.restart * before:
                return True
        return False
