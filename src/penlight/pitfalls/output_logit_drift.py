"""output-logit-drift: see the card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Objective
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOG_NORMALISER, LOSS, OUTPUT_MEAN
from penlight.pitfalls._curves import progress
from penlight.pitfalls._layers import LOOKS

HALF = ("bfloat16", "float16")


class OutputLogitDrift(Pitfall):
    """All logits lie far from zero, where half precision no longer tells them apart.

    A balance whose zero point has wandered to the end of its scale: the difference of two weights
    is still what counts, but the needle is at the stop.

    ## What happens
    Cross-entropy does not mind a number that is added to all logits, so nothing holds their common
    level: it keeps a value that it was given, or wanders. In float32 that is harmless for long. In
    bfloat16 neighbouring numbers near 300 are 2 apart, and logits that should differ by tenths
    are rounded to the same value.

    ## Symptoms
    - The loss is stuck or moves in jumps under autocast, while the same model learns in float32.
    - log sum exp of the logits is in the tens or hundreds where log(classes) is a few.

    ## Causes
    - A bias or scale of the last layer that starts far from zero.
    - Long trainings at a high rate without weight decay or z-loss.

    ## When not to worry
    Logits in float32 (this is then a note), and runs that learn. A trained model is sure of
    itself: a spread of the logits, some above and some below, is no drift.

    ## References
    - M. Wortsman et al., Small-scale proxies for large-scale Transformer training instabilities,
      2023, arXiv 2309.14322: z-loss of 1e-4.
    - A. Chowdhery et al., PaLM, 2022, arXiv 2204.02311, section 5.
    """

    family = "scale/transformer"
    needs = (LOG_NORMALISER, OUTPUT_MEAN, LOSS, Objective)
    caused_by = (
        "lr-too-high",
        "exploding-gradient",
        "residual-stream-blowup",
        "input-scale",
        "nonfinite-loss",
        "loss-task-mismatch",
    )
    far: float = limit(
        30.0,
        why="size of the common level; bfloat16 numbers are 0.25 apart at 32 and more beyond, as "
        "much as the differences that an untrained model begins with",
    )
    common: float = limit(
        0.5,
        why="share of log sum exp that the mean of all logits makes: below it they spread out, "
        "which is what a rate that is too high does, and not a drift",
    )
    learnt: float = limit(
        0.8, why="share of what there is to learn: beyond it the logits were told apart"
    )
    looks: float = limit(10, why="fewer looks do not tell the start of a run from its end")
    prescriptions = (
        Prescription(
            "Add a z-loss: `loss + 1e-4 * logits.logsumexp(-1).square().mean()`; 1e-2 to bring "
            "back logits that are far off.",
            "It holds the level at zero and leaves their differences alone.",
        ),
        Prescription(
            "Begin with a last layer at zero level: small weights, and biases at zero or the "
            "logarithm of the class shares.",
            "Then there is nothing to bring back.",
        ),
        Prescription(
            "Compute the last layer and the loss in float32.",
            "It has 16 more bits for the differences.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 12
centres = torch.randn(classes, 3, 10)
y = torch.randint(0, classes, (2400,))
x = centres[y, torch.randint(0, 3, (2400,))] + 0.5 * torch.randn(2400, 10)
train_x, train_y, val_x, val_y = x[:2000], y[:2000], x[2000:], y[2000:]

model = nn.Sequential(
    nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
)
nn.init.constant_(model[-1].bias, 4000.0)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(10):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        accuracy = (model(val_x).argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("nn.init.constant_(model[-1].bias, 4000.0)", "nn.init.zeros_(model[-1].bias)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen, objective = progress(run), run.objective
        if seen is None or objective is None or seen.worse:
            return
        if seen.learnt is None or seen.learnt >= self.learnt:
            return
        level = run.series(LOG_NORMALISER, objective.site).finite
        means = run.series(OUTPUT_MEAN, objective.site).finite
        if len(level) < self.looks or not means:
            return
        first, late = (float(np.median(v)) for v in (level.values[:LOOKS], level.values[-LOOKS:]))
        shift = float(np.median(means.values[-LOOKS:]))
        if abs(late) < self.far or shift * late <= 0 or abs(shift) < self.common * abs(late):
            return
        yield self.finding(
            f"The logits lie {shift:+.0f} from zero on average: log sum exp is {late:.0f} at the "
            f"end and was {first:.0f} at first. In half precision their differences are rounded.",
            Evidence(
                "log_normaliser",
                f"{first:.1f} over the first looks, {late:.1f} over the last; the logits' mean is "
                f"{shift:.1f}",
                where=objective.site,
                steps=(int(level.steps[0]), int(level.steps[-1])),
                value=late,
                limit=self.far,
            ),
            severity="warning" if objective.input_dtype in HALF else "note",
            confidence=0.8,
            where=objective.site,
            source=objective.source,
            first_step=int(level.steps[0]),
        )
