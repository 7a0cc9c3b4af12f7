"""init-loss-off: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Objective, Targets
from penlight.core.finding import Evidence, Finding, Prescription, Severity
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import SIGMAS, guess_loss, loss_curve, progress


class InitLossOff(Pitfall):
    """The first loss is far above that of guessing.

    A bathroom scale that shows forty kilos before anyone has stepped on it: whatever is weighed
    next, the first thing to learn is how wrong the scale was.

    ## What happens
    A network that knows nothing should say so: with C classes its first cross-entropy is about
    ln C. When its first scores have a variance of s2, the loss begins about s2 / 2 higher: the net
    is sure of itself, and wrong. The first gradients then serve to shrink the last layer, they are
    large, and they shake the layers in front.

    ## Symptoms
    - The loss curve looks like a hockey stick: a cliff in the first steps, flat thereafter.
    - The loss on held-out data stays high although the accuracy looks right.

    ## Causes
    - Weights drawn with a standard deviation that ignores the width, most of all in the last layer.
    - Inputs that are not scaled.

    ## When not to worry
    A first loss below ln C is good: a pretrained model, or biases set to the class frequencies. He
    initialisation of the last layer may begin at twice ln C and is put right within a few steps.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks, 2019 (verify loss at init).
    """

    family = "objective"
    needs = (Objective, Targets, OBJECTIVE_LOSS, LOSS)
    caused_by = (
        "input-scale",
        "target-scale",
        "exploding-gradient",
        "residual-stream-blowup",
        "loss-task-mismatch",
        "single-unit-softmax",
        "output-activation-mismatch",
        "wrong-reduction",
    )
    looks_like = {
        "exploding-gradient": (
            "An exploding gradient grows over many layers; the last one is not at fault."
        ),
        "input-scale": (
            "Inputs on a foreign scale are seen in the data, and go through the whole net to the "
            "loss."
        ),
        "target-scale": (
            "Targets on a foreign scale are seen in the targets: a mean or a spread far from 1."
        ),
    }
    far: float = limit(
        4.0,
        why="times the loss of guessing: 18 healthy runs began within 1.1, a sound net with He "
        "weights in its last layer at 2.0, nets with unscaled random weights at 1,600 and more",
    )
    wasted: float = limit(
        0.1, why="share of the run spent above the loss of guessing: more than any warm-up takes"
    )
    learnt: float = limit(
        0.9,
        why="share of what there is to learn: a run beyond it lost time and nothing else "
        "(benchmarks/published, GH-Averaging: 14% of 2,000 steps lost, 100% learnt)",
    )
    prescriptions = (
        Prescription(
            "Make the last layer small: `nn.init.normal_(model.head.weight, std=0.01)`, "
            "`nn.init.zeros_(model.head.bias)`.",
            "The net then begins by saying that it does not know.",
            "the weights are pretrained",
            edits=("small-head",),
        ),
        Prescription(
            "Initialise the layers for their width: "
            "`nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')`.",
            "The scores then have a variance of about one.",
            edits=("initialise",),
        ),
        Prescription(
            "Scale the inputs to mean 0 and standard deviation 1.",
            "Large inputs make large scores.",
            "they are scaled already",
            edits=("standardise-inputs",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, features, width = 10, 24, 256
centres = 0.5 * torch.randn(classes, features)
labels = torch.randint(0, classes, (3000,))
inputs = centres[labels] + torch.randn(3000, features)
train_x, train_y, val_x, val_y = inputs[:2400], labels[:2400], inputs[2400:], labels[2400:]

model = nn.Sequential(
    nn.Linear(features, width), nn.ReLU(),
    nn.Linear(width, width), nn.ReLU(),
    nn.Linear(width, classes),
)
nn.init.normal_(model[4].weight, std=10.0)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(5):
    model.train()
    for rows in torch.randperm(2400).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = criterion(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "validation loss", "value": val_loss}))
""",
        cure=(("std=10.0", "std=0.01"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        objective = run.objective
        if objective is None or objective.first_loss is None:
            return
        guess = guess_loss(run, objective)
        first = objective.first_loss
        if guess is None or not math.isfinite(first) or first < self.far * guess:
            return
        curve = loss_curve(run, objective).finite
        seen = progress(run, objective)
        if seen is None:
            return
        # Several steps together: a single easy batch is no arrival.
        window = max(1, min(8, len(curve) // 10))
        smooth = np.convolve(curve.values, np.ones(window) / window, "valid")
        below = np.flatnonzero(smooth < guess)
        arrived = int(below[0]) / len(curve) if len(below) else 1.0
        severity: Severity = "note"
        if seen.end - SIGMAS * seen.error > guess:
            severity = "critical"
        elif arrived > self.wasted and (seen.learnt or 0.0) < self.learnt:
            severity = "warning"
        yield self._finding(objective, first, guess, arrived, severity)

    def _finding(
        self,
        objective: Objective,
        first: float,
        guess: float,
        arrived: float,
        severity: Severity,
    ) -> Finding:
        variance = objective.first_logit_var
        evidence = [
            Evidence(
                "objective_loss",
                f"the first loss is {first:.3g}; saying nothing in particular gives {guess:.3g}",
                where=objective.site,
                steps=(0, 0),
                value=first,
                limit=self.far * guess,
            ),
            Evidence(
                "loss",
                "the loss never came down to that of guessing"
                if arrived >= 1
                else f"{arrived:.0%} of the run went by before the loss came down to that",
                value=arrived,
                limit=self.wasted,
            ),
        ]
        if variance is not None:
            evidence.append(
                Evidence(
                    "first_logit_var",
                    f"the first scores have a variance of {variance:.3g}; about 1 is right",
                    where=objective.site,
                    value=variance,
                )
            )
        return self.finding(
            f"The loss begins at {first:.3g}, {first / guess:.0f} times that of guessing "
            f"({guess:.3g}): the untrained outputs are far too large.",
            *evidence,
            severity=severity,
            confidence=0.9 if first > 10 * self.far * guess else 0.8,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )
