"""low-precision-lost-update: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Optimizer, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOST_SHARE
from penlight.pitfalls._curves import progress

BITS = {"bfloat16": 8, "float16": 11}  # significant bits


class LowPrecisionLostUpdate(Pitfall):
    """The weights are stored too coarsely to feel their updates.

    Adding sand grain by grain to a scale that only shows kilograms: every grain is rounded away
    as it falls, and an hour later the scale shows what it showed before.

    ## What happens
    bfloat16 keeps 8 significant bits. Adding something smaller than about a 500th of a weight to
    it gives the same weight again. Where the weights themselves are stored in 16 bits and updated
    in place, most updates of a usual learning rate are lost, and the more the lower the rate
    falls. Nothing warns: the gradients are there, the optimiser works, the weights stand still.

    ## Symptoms
    - The loss stalls early, while the same run in float32 goes on.
    - It gets worse as the learning rate decays.

    ## Causes
    - `model.bfloat16()` or `model.half()` for training, instead of `torch.autocast`.
    - A model loaded with `torch_dtype=torch.bfloat16` and trained in place.
    - An average of weights with decay 0.9999 kept in 16 bits.

    ## When not to worry
    Under `torch.autocast` the weights stay in float32. Late in a run small updates are normal;
    optimisers with Kahan summation or stochastic rounding keep what is lost here.

    ## References
    - P. Zamirai et al., Revisiting BFloat16 Training, arXiv 2010.06192.
    - torch documentation, Automatic Mixed Precision.
    """

    family = "numerics"
    needs = (LOST_SHARE, Parameter, Optimizer)
    looks_like = {
        "lr-too-low": (
            "With too low a rate all weights move, a little; here most do not move at all."
        ),
        "vanishing-gradient": "A vanished gradient is lost before the update, not in it.",
    }
    lost: float = limit(
        0.5,
        why="share of the updates that change nothing: shared/catalogue.md measured 3% at a rate "
        "of 1e-3 and 66% at 1e-4 with bfloat16 weights under Adam; the loss of the latter stood "
        "at 1.17 where float32 reached 0.28",
    )
    learnt: float = limit(
        0.9, why="share of what there is to learn: a run that got this far did feel its updates"
    )
    looks: float = limit(10, why="steps looked at, so that a warm-up's first steps do not decide")
    prescriptions = (
        Prescription(
            "Keep the weights in float32 and compute in 16 bits: leave out .bfloat16() or .half() "
            "and run the forward pass under torch.autocast(device, dtype=torch.bfloat16).",
            "float32 feels updates of a ten-millionth of a weight.",
            "memory for float32 weights is not there",
            edits=("precision",),
        ),
        Prescription(
            "Or use an optimiser with Kahan summation or stochastic rounding.",
            "It keeps what rounding drops, at the memory of 16 more bits or none.",
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
dtype = torch.bfloat16
points = points.to(dtype)
train_x, train_y, val_x, val_y = points[:2000], labels[:2000], points[2000:], labels[2000:]

model = nn.Sequential(
    nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
).to(dtype)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(15):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]).float(), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x).float()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch:2d}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("dtype = torch.bfloat16", "dtype = torch.float32"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        sizes = {p.name: (math.prod(p.shape), p.dtype) for p in run.parameters}
        shares = [s.finite for s in run.every(LOST_SHARE) if len(s.finite) >= self.looks]
        weights = np.array([sizes.get(s.site, (1, ""))[0] for s in shares], np.float64)
        if not shares:
            return
        medians = np.array([float(np.median(s.values)) for s in shares])
        share = float((medians * weights).sum() / weights.sum())
        seen = progress(run)
        if share < self.lost or (seen and seen.learnt is not None and seen.learnt >= self.learnt):
            return
        worst = shares[int((medians * weights).argmax())]
        dtype = sizes.get(worst.site, (1, ""))[1] or "16-bit"
        bits = f", which keeps {BITS[dtype]} significant bits" if dtype in BITS else ""
        yield self.finding(
            f"{share:.0%} of the updates are rounded away: the weights are stored in {dtype}{bits}"
            ", and stay exactly as they were although they have a gradient.",
            Evidence(
                LOST_SHARE.name,
                f"in {worst.site} {np.median(worst.values):.0%} of the entries with a gradient are "
                f"the same before and after a step, median over {len(worst)} steps",
                where=worst.site,
                steps=(int(worst.steps[0]), int(worst.steps[-1])),
                value=share,
                limit=self.lost,
            ),
            severity="critical" if seen is not None and seen.learnt is not None else "warning",
            confidence=0.9,
            where=worst.site,
            source=next((o.source for o in run.optimizers), ""),
            first_step=int(worst.steps[0]),
        )
