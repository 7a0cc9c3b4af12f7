"""fp16-underflow: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import FLOOR_SHARE
from penlight.pitfalls._curves import progress


class Fp16Underflow(Pitfall):
    """Half precision rounds small gradients to zero.

    A shop that rounds every price to whole euros: what costs less than fifty cents is free, and
    the till is empty in the evening although the shop was full all day.

    ## What happens
    float16 counts in steps of 6e-8 near zero. What is below half a step becomes zero, and a
    gradient that is only a few steps large is mostly rounding. Gradients of a mean over many
    outputs are easily that small. `GradScaler` multiplies the loss, and so every gradient, by a
    large factor before the backward pass and divides it out before the step.

    ## Symptoms
    - Layers stop learning in float16 and learn in float32 or bfloat16.
    - Many gradients are exactly zero; the others take only a few different values.

    ## Causes
    - `torch.autocast(dtype=torch.float16)` or `model.half()` without `torch.amp.GradScaler`.
    - A loss scale that has collapsed below 1.

    ## When not to worry
    bfloat16 has the range of float32 and needs no scaling. Zeros of dead or unused units are no
    underflow: only non-zero entries are counted here.

    ## References
    - P. Micikevicius et al., Mixed Precision Training, arXiv 1710.03740, section 3.2.
    - torch documentation, Automatic Mixed Precision.
    """

    family = "numerics"
    needs = (FLOOR_SHARE, Parameter)
    looks_like = {
        "vanishing-gradient": (
            "A vanishing gradient fades from layer to layer and does so in float32, too."
        ),
    }
    floor: float = limit(
        0.5,
        why="share of the non-zero gradient entries within the four smallest steps: with a smooth "
        "spread of sizes a tenth of all entries is then below half a step and lost, the limit of "
        "shared/catalogue.md; gradients of the usual size have less than one in a thousand there",
    )
    weights: float = limit(
        0.3, why="share of the weights so affected: one layer of many can stand still unnoticed"
    )
    learnt: float = limit(
        0.9, why="share of what there is to learn: beyond it the gradients were large enough"
    )
    looks: float = limit(8, why="steps looked at, so that one odd batch does not decide")
    prescriptions = (
        Prescription(
            "Scale the loss: scaler = torch.amp.GradScaler(device); "
            "scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update().",
            "The factor lifts the gradients into the range of float16 and is divided out again.",
        ),
        Prescription(
            "Or use bfloat16: torch.autocast(device, dtype=torch.bfloat16).",
            "It has fewer digits and the range of float32.",
            "the GPU has no bfloat16 (before Ampere)",
            edits=("precision",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
rows, width = 600, 256  # a sensor field: each of 8 sources is felt by all 256 sensors
sources = torch.randn(rows, 8)
x = sources + 0.05 * torch.randn(rows, 8)
y = torch.tanh(sources) @ torch.randn(8, width) / 2
train_x, train_y, val_x, val_y = x[:480], y[:480], x[480:], y[480:]

model = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, width))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, eps=1e-12)
half, weight = torch.float16, 1e-4  # of this term beside others

for epoch in range(12):
    model.train()
    for batch in torch.randperm(480).split(48):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=half):
            guess = model(train_x[batch])
        loss = weight * nn.functional.mse_loss(guess.float(), train_y[batch])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        error = (model(val_x) - val_y).square().mean().item() / val_y.var().item()
    print(f"epoch {epoch:2d}: error {error:.4f} of the variance")

print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": error}))
""",
        cure=(("half, weight = torch.float16", "half, weight = torch.bfloat16"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        sizes = {p.name: math.prod(p.shape) for p in run.parameters}
        shares = [s.finite for s in run.every(FLOOR_SHARE) if len(s.finite) >= self.looks]
        whole = sum(sizes.get(s.site, 1) for s in shares)
        sunk = [s for s in shares if float(np.median(s.values)) > self.floor]
        part = sum(sizes.get(s.site, 1) for s in sunk) / max(whole, 1)
        if not sunk or part < self.weights:
            return
        seen = progress(run)
        if seen is not None and seen.learnt is not None and seen.learnt >= self.learnt:
            return
        worst = max(sunk, key=lambda s: (sizes.get(s.site, 1), float(np.median(s.values))))
        share = float(np.median(worst.values))
        yield self.finding(
            f"The gradients of {part:.0%} of the weights lie at the lower end of float16, where "
            "small ones are rounded to zero, and no loss scale lifts them.",
            Evidence(
                FLOOR_SHARE.name,
                f"{share:.0%} of the non-zero gradients of {worst.site} are below 2.4e-07, four "
                f"steps of float16, median over {len(worst)} looks",
                where=worst.site,
                steps=(int(worst.steps[0]), int(worst.steps[-1])),
                value=share,
                limit=self.floor,
            ),
            severity="critical" if seen is not None and seen.learnt is not None else "warning",
            confidence=0.85,
            where=worst.site,
            first_step=int(worst.steps[0]),
        )
