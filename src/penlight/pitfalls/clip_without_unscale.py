"""clip-without-unscale: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Hygiene, Optimizer
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class ClipWithoutUnscale(Pitfall):
    """Gradients are clipped while they still carry the loss scale.

    Weighing letters without taking them out of the mail truck: every letter is found
    ten tons too heavy and trimmed until nothing readable is left.

    ## What happens
    `GradScaler` multiplies the loss, and so all gradients, by a large factor (65,536 at first), so
    that half precision does not round them to zero. Clipping them to norm 1 before they are
    divided again leaves a norm of 1/65,536 for the step. Every step is clipped, and its size
    follows the scale instead of the limit you chose.

    ## Symptoms
    - Training crawls; the clip is active in every step.
    - Progress changes when the scaler halves or doubles its factor.

    ## Causes
    - `clip_grad_norm_` between `scaler.scale(loss).backward()` and `scaler.step(optimizer)`
      without `scaler.unscale_(optimizer)` before it.

    ## When not to worry
    A scaler that is disabled (bfloat16, CPU runs) scales by 1. Adam divides the common factor out
    of its step again, so it loses less than SGD; the clip is still meaningless.

    ## References
    - torch documentation, Automatic Mixed Precision examples: gradient clipping.
    """

    family = "numerics"
    needs = (Hygiene, Optimizer)
    looks_like = {
        "clip-always-on": (
            "A limit that is too low clips gradients that were unscaled before, or never scaled."
        ),
        "lr-too-low": (
            "Too low a rate makes small steps with gradients that were unscaled before the clip, "
            "or never scaled."
        ),
    }
    share: float = limit(
        0.5, why="the order of calls is the same in every step: it is wrong always or never"
    )
    prescriptions = (
        Prescription(
            "Call scaler.unscale_(optimizer) right before clip_grad_norm_.",
            "Then the norm that is compared with the limit is that of the true gradient.",
            edits=("unscale",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn
from torch.nn.utils import clip_grad_norm_

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 6
centres = 1.5 * torch.randn(classes, 10)
y = torch.randint(0, classes, (2000,))
x = centres[y] + torch.randn(2000, 10)
train_x, train_y, val_x, val_y = x[:1500], y[:1500], x[1500:], y[1500:]

model = nn.Sequential(
    nn.Linear(10, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, classes),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
device = "cuda" if torch.cuda.is_available() else "cpu"
scaler = torch.amp.GradScaler(device)
model.to(device)

for epoch in range(6):
    model.train()
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows].to(device)), train_y[rows].to(device))
        scaler.scale(loss).backward()
        clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    model.eval()
    with torch.no_grad():
        logits = model(val_x.to(device)).cpu()
        val_loss = criterion(logits, val_y).item()
        accuracy = (logits.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: validation loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "        clip_grad_norm_(",
                "        scaler.unscale_(optimizer)\n        clip_grad_norm_(",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = run.hygiene
        if not seen.clip_scaled or seen.clip_scaled < self.share * seen.clip_calls:
            return
        divides = run.adaptive
        effect = (
            "Adam divides the factor out again, but the limit you set has no meaning"
            if divides
            else "the steps shrink by the scaler's factor"
        )
        yield self.finding(
            f"Gradients were clipped {seen.clip_scaled} times while still multiplied by the loss "
            f"scale: {effect}.",
            Evidence(
                "hygiene",
                f"{seen.clip_scaled} of {seen.clip_calls} clips came before scaler.unscale_()",
                steps=(0, max(0, seen.steps - 1)),
                value=seen.clip_scaled,
                limit=0,
            ),
            severity="warning" if divides else "critical",
            confidence=0.99,
            exact=True,
            source=next((o.source for o in run.optimizers), ""),
            first_step=0,
        )
