"""NaN or infinity in the loss, the gradients or the weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Hygiene, NonFinite
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import LOSS, WEIGHT_NORM
from penlight.pitfalls._forces import clip_first
from penlight.pitfalls._layers import fold


class NonfiniteLoss(Pitfall):
    """A NaN or an infinity was born, and everything after it is lost.

    One drop of ink in a glass of water: NaN plus anything is NaN, so a single bad value in one
    batch has coloured every weight one step later, and no amount of stirring gets it out.

    ## What happens
    Some operation meets a value it has no answer for: the log of zero, a division by zero, an
    exponential that overflows, the slope of a square root at zero. The result is NaN or infinite.
    The backward pass spreads it to the gradients, the optimiser writes it into the weights, and
    from then on every output is NaN.

    ## Symptoms
    - The loss prints `nan` or `inf`, often out of the blue, and stays there.
    - Accuracy drops to chance in the same moment.
    - Sometimes the loss is fine and only the gradients are NaN: one step later all is NaN.

    ## Causes
    - `log`, `sqrt`, division or `norm` at zero; a `softmax` over a row that is masked completely.
    - A learning rate so high that the weights overflow.
    - Inputs or targets that hold NaN, infinity or huge values.
    - float16 without a gradient scaler: everything above 65504 is infinite.

    ## When not to worry
    `GradScaler` makes gradients infinite now and then on purpose and skips those steps. That is
    not counted here.

    ## References
    - Goldberg 1991, What every computer scientist should know about floating-point arithmetic.
    - PyTorch documentation: Automatic mixed precision; `torch.autograd.set_detect_anomaly`.
    """

    family = "numerics"
    needs = (LOSS, Hygiene, NonFinite, WEIGHT_NORM)
    caused_by = (
        "ill-conditioned-op",
        "nonfinite-or-corrupt-data",
        "lr-too-high",
        "exploding-gradient",
        "residual-stream-blowup",
        "input-scale",
        "target-scale",
        "output-activation-mismatch",
        "wrong-reduction",
        "wrong-sign",
    )
    looks_like = {
        "exploding-gradient": (
            "An exploding gradient is large for many layers before anything overflows."
        ),
        "lr-too-high": (
            "Too high a rate drives the loss or the weights up for some steps before a number "
            "overflows."
        ),
        "nonfinite-or-corrupt-data": "NaN in the data is there before the first layer.",
    }
    growth: float = limit(
        1e3,
        why="factor by which loss or weights must have grown before the NaN to call it an "
        "overflow; "
        "healthy runs of benchmarks/healthy never exceed 5, diverging ones pass 1e3 in a few steps",
    )
    prescriptions = (
        Prescription(
            "Keep the operation away from the edge: `torch.log(x.clamp_min(1e-8))`, "
            "`x / (y + 1e-8)`, `torch.sqrt(x + 1e-12)`, or the fused form "
            "(`F.cross_entropy`, `BCEWithLogitsLoss`, `torch.logsumexp`).",
            because="the fused forms never leave the range of float32",
            unless="the NaN comes from the data: then clean the data",
            edits=("keep-finite",),
        ),
        Prescription(
            "Check the data: `assert torch.isfinite(x).all()` on inputs and targets.",
            because="one bad sample is enough, and it comes back every epoch",
            edits=("fill-missing",),
        ),
        Prescription(
            "Lower the learning rate or clip gradients: "
            "`torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)`.",
            because="when weights or loss grew for several steps before, the step size overflowed",
            unless="the NaN came suddenly from a healthy loss",
            edits=("clip-gradients",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
places = torch.randn(500, 12)  # 500 places, known by 12 numbers, that lie on a plane
plane = torch.tanh(places @ torch.randn(12, 2) / 3)

model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)


def distance(a, b):
    return torch.sqrt(((a - b) ** 2).sum(1))


def error(pairs):
    true = distance(plane[pairs[:, 0]], plane[pairs[:, 1]])
    guess = distance(model(places[pairs[:, 0]]), model(places[pairs[:, 1]]))
    return (guess - true).square().mean() / true.var()


held_out = torch.randint(400, 500, (1000, 2))
for epoch in range(15):
    model.train()
    for _ in range(40):
        optimizer.zero_grad()
        loss = error(torch.randint(400, (64, 2)))
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        score = error(held_out).item()
    print(f"epoch {epoch:2d}  loss {loss.item():.4f}  held-out error {score:.4f}")

value = score if score == score else None
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": value}))
""",
        cure=((".sum(1))\n", ".sum(1) + 1e-8)\n"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        """Fires on the first non-finite value the probe saw, or on a non-finite loss curve."""
        birth = next(iter(run.all(NonFinite)), None)
        losses = [s for s in run.every(LOSS) if not np.isfinite(s.values).all()]
        if birth is None and not losses:
            return
        grown = self._grown(run)
        if birth is None:
            series = losses[0]
            step = int(series.steps[~np.isfinite(series.values)][0])
            yield self.finding(
                f"The loss became {_name(series)} at step {step}.",
                Evidence(
                    "loss", f"first non-finite loss at step {step}", series.site, (step, step)
                ),
                confidence=0.99,
                first_step=step,
                exact=grown is None,
            )
            return
        known = birth.module.strip("?")  # tensors without a module have no name
        module = known or "the loss"
        place = module if birth.inside or not known else f"an operation after {module}"
        when = f" at step {birth.step}," if run.steps else ""  # none: the weights move by hand
        how = {
            "forward": f"in the forward pass at {place}",
            "backward": f"in the backward pass at {place}",
            "update": f"in the weights of {place}, written by the optimiser's step",
            "input": f"in the batch itself, seen entering {place}",
        }[birth.direction if birth.direction in DIRECTIONS else "forward"]
        operation = f" ({birth.op})" if birth.op and birth.direction == "forward" else ""
        batch = f", batch {birth.batch}" if birth.batch else ""
        rows = f", rows {', '.join(map(str, birth.rows))}" if birth.rows else ""
        evidence = [
            Evidence(
                "nonfinite",
                f"{birth.reason}{batch}{rows}",
                birth.module,
                (birth.step, birth.step),
            )
        ]
        if birth.loss_before is not None:
            evidence.append(
                Evidence(
                    "loss", f"the loss before was {birth.loss_before:.4g}", value=birth.loss_before
                )
            )
        if grown is not None:
            evidence.append(
                Evidence(
                    "loss",
                    f"the numbers had grown {fold(grown)} before: an overflow, not an accident",
                    value=grown,
                    limit=self.growth,
                )
            )
        yield self.finding(
            f"The first NaN or infinity was born{when} {how}{operation}.",
            *evidence,
            confidence=0.99,
            where=known,
            source=birth.source,
            first_step=birth.step,
            exact=grown is None,
            prescriptions=(*clip_first(run), *self.prescriptions),
        )

    def _grown(self, run: Run) -> float | None:
        """How far loss or weights had grown before they broke, None when they had not."""
        factors = []
        for series in (*run.every(LOSS), *run.every(WEIGHT_NORM)):
            finite = np.abs(series.finite.values)
            if len(finite) > 1 and finite[0] > 0:
                factors.append(float(finite[-3:].max() / max(float(np.median(finite[:3])), 1e-12)))
        worst = max(factors, default=0.0)
        return worst if worst > self.growth else None


DIRECTIONS = ("forward", "backward", "update", "input")


def _name(series: Series) -> str:
    values = series.values
    return "NaN" if np.isnan(values).any() else "infinite"
