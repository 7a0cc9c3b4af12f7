"""clip-always-on: see the card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Optimizer
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import CLIP_FACTOR, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import progress


class ClipAlwaysOn(Pitfall):
    """Gradient clipping cuts every step short and takes the learning rate's place.

    A speed limiter set so low that it makes no difference how far the pedal is pressed.

    ## What happens
    Clipping is meant for the rare step whose gradient is far too long. With a limit far below the
    usual norm every gradient is scaled down to the same short length: plain SGD then moves by
    lr x max_norm a step, whatever the data say, and the training crawls.

    ## Symptoms
    - Slow, steady progress; another learning rate shifts the speed, nothing else.
    - The norm that `clip_grad_norm_` returns is always above its limit.

    ## Causes
    - `max_norm` copied from another model, or set without looking at the norms.
    - A loss that is summed: its gradient grows with the batch, the limit does not.

    ## When not to worry
    Adam divides a common factor out: language models clip at 1.0 in every early step and train
    well. Clipped steps in the first part of a run are what the limit is for.

    ## References
    - V. Godbole et al., Deep Learning Tuning Playbook (2023): if more than half of the steps are
      clipped, lower the learning rate; a limit near the 90th percentile of the norms.
    - torch documentation of `torch.nn.utils.clip_grad_norm_`.
    """

    family = "optimisation"
    needs = (CLIP_FACTOR, LOSS, OBJECTIVE_LOSS, Optimizer, Exam)
    caused_by = ("wrong-reduction", "exploding-gradient", "target-scale", "input-scale")
    looks_like = {
        "clip-without-unscale": (
            "Clipping scaled gradients shortens steps by the scaler's factor: `clip_grad_norm_` "
            "is called before `unscale_`."
        ),
        "lr-too-low": (
            "Too low a rate makes short steps without any clipping, or with one that rarely acts."
        ),
    }
    begun: float = limit(
        0.2, why="share of the looks that are left out: at the start large gradients are usual"
    )
    always: float = limit(
        0.9, why="share of the later looks that were clipped; the playbook warns from 0.5 on"
    )
    left: float = limit(
        0.1,
        why="median of max_norm / norm: steps a tenth as long as the rate says. In the demo 0.02 "
        "ends at an accuracy of 0.61, without clipping 0.91; language models at 1.0 have 0.3 to 1",
    )
    blind: float = limit(0.01, why="the same where no replay could show what clipping costs")
    learnt: float = limit(
        0.9, why="share of what there is to learn: a run that got this far had long enough steps"
    )
    better: float = limit(
        0.9,
        why="loss after a few replayed steps without the clip, as a share of the loss before; "
        "where free steps do not help, the clip is not what holds the run back",
    )
    looks: float = limit(20, why="looks after the start that make a habit")
    prescriptions = (
        Prescription(
            "Raise max_norm to about the 90th percentile of the norms that clip_grad_norm_ "
            "returns, often 1 to 10.",
            "Then it cuts the rare outlier and leaves ordinary steps alone.",
            edits=("clip-gradients",),
        ),
        Prescription(
            "If short steps were the intention, lower the learning rate instead.",
            "A rate says what it does, and schedules act on it.",
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
centres = torch.randn(classes, 3, 6)
y = torch.randint(0, classes, (2400,))
x = centres[y, torch.randint(0, 3, (2400,))] + 0.4 * torch.randn(2400, 6)
train_x, train_y, val_x, val_y = x[:2000], y[:2000], x[2000:], y[2000:]

model = nn.Sequential(
    nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()

for epoch in range(12):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.01)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(val_x).argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch:2d}: loss {loss.item():.3f}, norm {norm:.2f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("max_norm=0.01", "max_norm=5.0"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = progress(run)
        if not run.optimizers or any(o.adaptive for o in run.optimizers):
            return
        if seen is None or seen.learnt is None or seen.learnt >= self.learnt or seen.worse:
            return
        for series in run.every(CLIP_FACTOR):
            later = series.finite.values[int(len(series) * self.begun) :]
            if len(later) < self.looks:
                continue
            left, share = float(np.median(later)), float(np.mean(later < 1.0))
            if share < self.always or left > self.left:
                continue
            free = self._free(run)
            if left > self.blind if free is None else free[1] > self.better * free[0]:
                continue
            yield self._finding(run, series, left, share, free, seen.learnt)
            return

    def _free(self, run: Run) -> tuple[float, float] | None:
        """Loss at the end, and after replayed steps at the script's rate without the clip."""
        exam = run.exam("rates_end")
        if exam is None or not {"start", "x1"} <= set(exam.values):
            return None
        start, end = float(exam.values["start"]), float(exam.values["x1"])
        return (start, end if np.isfinite(end) else np.inf)

    def _finding(
        self,
        run: Run,
        series: Series,
        left: float,
        share: float,
        free: tuple[float, float] | None,
        learnt: float,
    ) -> Finding:
        evidence = [
            Evidence(
                "clip_factor",
                f"after the start {share:.0%} of the steps were clipped, to {left:.1%} of their "
                "length at the median",
                where=series.site,
                steps=(int(series.steps[0]), int(series.steps[-1])),
                value=left,
                limit=self.left,
            )
        ]
        if free is not None:
            evidence.append(
                Evidence(
                    "rates_end",
                    f"a few steps at the same rate without the clip take the loss from "
                    f"{free[0]:.3g} to {free[1]:.3g}",
                    value=free[1],
                    limit=self.better * free[0],
                )
            )
        return self.finding(
            f"Clipping leaves {left:.1%} of a typical gradient in {share:.0%} of the steps: the "
            f"limit sets the pace, and {max(learnt, 0.0):.0%} of what can be learnt was.",
            *evidence,
            severity="critical" if free is not None else "warning",
            confidence=0.94 if free is not None else 0.75,
            where=run.optimizers[0].type,
            source=series.site,
            first_step=int(series.steps[0]),
        )
