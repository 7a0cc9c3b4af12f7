"""target-scale: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Objective, Optimizer, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import EXPLAINED, LOSS
from penlight.pitfalls._curves import VALUES, progress, verdict


class TargetScale(Pitfall):
    """The targets of a regression are on a scale the network cannot reach.

    Asking someone to mark the price of a house, in cents, on a ruler that ends at one metre: the
    hand moves as far as it can, and the mark is as wrong as before.

    ## What happens
    A freshly initialised network answers with numbers around zero and of a size of about one.
    Targets in the thousands are out of its reach: under Adam an output moves by about the learning
    rate times the width a step, so it travels for the whole run; under SGD the gradients are so
    large that the run flies apart. Targets of a thousandth drown in the noise of the first outputs.

    ## Symptoms
    - The loss is a huge number (or a tiny one) and hardly falls.
    - The predictions are nearly constant, far from the mean of the targets.

    ## Causes
    - Prices, populations, times in their natural units.
    - Targets left raw while the inputs were standardised.

    ## When not to worry
    A net that explains the variance copes, whatever the units. Counts with a Poisson loss and
    targets in logarithms are scaled by their loss; an output layer with a scale and an offset of
    its own has the scaling built in.

    ## References
    - C. Bishop, Neural Networks for Pattern Recognition, section 8.2, Oxford 1995.
    """

    family = "data"
    stands_alone = True
    needs = (Targets, Objective, Optimizer, LOSS, EXPLAINED)
    caused_by = ("output-activation-mismatch",)
    looks_like = {
        "init-loss-off": (
            "A first loss far from guessing with targets of an ordinary scale comes from the last "
            "layer's start."
        ),
        "input-scale": (
            "Inputs on a foreign scale are seen in what the model is fed, not in what it is asked "
            "for."
        ),
        "loss-broadcast": (
            "A broadcast loss brings the predictions to the mean of the targets, and no further."
        ),
        "lr-too-high": "Too high a rate begins with an ordinary loss and drives it up.",
        "output-activation-mismatch": (
            "A last activation with a limited range sticks at the end of that range."
        ),
    }
    scale: float = limit(
        10.0,
        why="a decade either way: initial outputs have a size of 0.1 to 1; y x 300 + 5000 ended at "
        "an R2 of -2.1, y / 1000 at -9.8, standardised at 0.998",
    )
    offset: float = limit(
        3.0, why="standard deviations between zero and the mean: the whole cloud lies on one side"
    )
    steps: float = limit(
        10.0,
        why="times the run's length: a last layer of some dozen active units moves an output that "
        "many times faster than its bias alone",
    )
    prescriptions = (
        Prescription(
            "Standardise the targets with the training set's statistics: "
            "`train_y = (train_y - mean) / std`; undo it on predictions: "
            "`y = model(x) * std + mean`.",
            "The outputs of a fresh network have the size of standardised targets.",
            edits=("standardise-targets",),
        ),
        Prescription(
            "Where only the mean is off: "
            "`nn.init.constant_(model.head.bias, float(train_y.mean()))`.",
            "The output then starts in the middle of the targets.",
            "the spread is far from one, too",
        ),
        Prescription(
            "Predict the logarithm of positive, long-tailed targets: `torch.log1p(train_y)`.",
            "It brings orders of magnitude onto one scale.",
            "they have zeros or signs that matter",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
inputs = torch.randn(2500, 8)
trend = inputs[:, 0] + torch.sin(2 * inputs[:, 1]) + inputs[:, 2] * inputs[:, 3]
price = 250_000 + 40_000 * trend + 8_000 * torch.randn(2500)
train_x, val_x = inputs[:2000], inputs[2000:]
mean, std = 0.0, 1.0
train_y, val_y = (price[:2000] - mean) / std, (price[2000:] - mean) / std

model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(15):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]).squeeze(1), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(val_x).squeeze(1), val_y).item()
    explained = 1 - val_loss / val_y.var().item()
    print(f"epoch {epoch}: explained {explained:.3f}")

print("RESULT " + json.dumps({"metric": "explained variance", "value": explained}))
""",
        cure=(("mean, std = 0.0, 1.0", "mean, std = price[:2000].mean(), price[:2000].std()"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        objective = run.objective
        targets = run.targets(objective)
        if objective is None or targets is None or objective.function not in VALUES:
            return
        outcome = verdict(run)
        columns = [(m, s) for m, s in zip(targets.mean, targets.std, strict=True) if s > 0]
        if outcome not in ("ruined", "poor") or not columns:
            return
        mean, std = max(columns, key=self._distance)
        seen = progress(run)
        if self._distance((mean, std)) <= 1 or seen is None:
            return
        if seen.learnt is None and seen.broken is None:
            return  # moving targets, as in Q-learning: nobody knows how much there is to explain
        learnt = seen.learnt if seen.broken is None else None
        reach = list(self._reach(run, mean, std))
        if not reach and not seen.worse:
            return  # within reach, and better than a constant: the task is hard, or short
        result = "the loss has flown off"
        if learnt is not None:
            result = f"{max(learnt, 0):.0%} of their variance is explained"
        yield self.finding(
            f"The targets lie around {mean:.3g} with a spread of {std:.3g}, where a fresh network "
            f"answers with numbers around 0 of a size of about 1; in the end {result}.",
            Evidence(
                "targets",
                f"mean {mean:.3g}, standard deviation {std:.3g}",
                where=objective.site,
                value=std,
                limit=self.scale,
            ),
            *reach,
            *(
                (Evidence("explained", f"share learnt at the end: {learnt:.2f}", value=learnt),)
                if learnt is not None
                else ()
            ),
            severity="critical" if outcome == "ruined" else "warning",
            confidence=0.92 if outcome == "ruined" else 0.75,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )

    def _distance(self, column: tuple[float, float]) -> float:
        """How far beyond the limits a target column lies; up to 1 it is within them."""
        mean, std = column
        offset = abs(mean) / std / self.offset if abs(mean) > self.offset else 0.0
        return max(std / self.scale, 1 / (std * self.scale), offset)

    def _reach(self, run: Run, mean: float, std: float) -> Iterator[Evidence]:
        """Under Adam a bias moves by the learning rate a step: how many steps to the mean?"""
        optimizer = run.optimizers[0] if run.optimizers else None
        if optimizer is None or not optimizer.adaptive or optimizer.lr <= 0:
            return
        needed = max(abs(mean), std) / optimizer.lr
        if needed > self.steps * run.steps:
            yield Evidence(
                "lr",
                f"a bias moves by about {optimizer.lr:g} a step under {optimizer.type}: "
                f"{needed:.1e} steps to the targets, and the run had {run.steps}",
                value=needed,
                limit=float(run.steps),
            )
