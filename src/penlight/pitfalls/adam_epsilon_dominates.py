"""adam-epsilon-dominates: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Optimizer, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import EPSILON_FACTOR, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import END, progress


class AdamEpsilonDominates(Pitfall):
    """Gradients are smaller than Adam's epsilon, so Adam hardly moves.

    A telephone with noise cancelling: whoever whispers below its threshold is taken for silence.

    ## What happens
    Adam divides each gradient by its usual size plus epsilon, so that a step has about the length
    of the learning rate. Where epsilon is the larger of the two, the step shrinks by gradient
    over epsilon: Adam has become SGD with a rate of lr / epsilon.

    ## Symptoms
    - The loss is flat or falls slowly although the learning rate is a usual one.
    - A higher rate, even a hundred times, only makes it a little faster.

    ## Causes
    - `eps` of 0.1 or 1, from the recipe of another model.
    - A loss divided twice, by the batch and once more by its elements, or targets in tiny units:
      gradients below 1e-8.

    ## When not to worry
    Runs that learn: with a factor of 0.16 a net was still trained to the end. An embedding whose
    rows are rarely hit, and a loss that is almost zero.

    ## References
    - D. Kingma and J. Ba, Adam, ICLR 2015, arXiv 1412.6980.
    - M. Wortsman et al., Small-scale proxies for large-scale Transformer training instabilities,
      2023, arXiv 2309.14322: epsilon against the gradient at scale.
    """

    family = "optimisation"
    needs = (EPSILON_FACTOR, LOSS, OBJECTIVE_LOSS, Optimizer, Parameter)
    caused_by = (
        "vanishing-gradient",
        "forward-collapse",
        "symmetric-init",
        "saturated-activation",
        "dying-relu",
        "gradient-cut",
        "params-not-optimised",
        "nonfinite-loss",
        "output-activation-mismatch",
        "single-unit-softmax",
        "double-softmax",
        "loss-task-mismatch",
        "lr-too-high",
        "init-loss-off",
        "no-information-from-input",
        "rnn-long-range",
        "input-scale",
    )
    looks_like = {
        "lr-too-low": (
            "Too low a rate takes short steps although Adam divides the gradients as it should."
        ),
    }
    factor: float = limit(
        0.1,
        why="what epsilon leaves of a step. Measured on one net: 0.98 and 0.16 train to the end, "
        "5e-4 not at all (catalogue); the demo's eps=1 leaves 0.002",
    )
    share: float = limit(
        0.5, why="of the weights: a single layer in the dark is what vanishing-gradient tells"
    )
    learnt: float = limit(
        0.8, why="share of what there is to learn: beyond it a small gradient means a good fit"
    )
    large: float = limit(
        1e-6, why="epsilon from which on it was set by hand; torch's is 1e-8, keras' 1e-7"
    )
    prescriptions = (
        Prescription(
            "Set eps to 1e-8, torch's default.",
            "It is there to prevent a division by zero, not to weigh against gradients.",
            "the states of the optimiser are kept in half precision: then 1e-6 or so",
            edits=("epsilon",),
        ),
        Prescription(
            "If eps is that small already, bring the loss to order 1: divide once, by the number "
            "of samples or tokens, and standardise the targets.",
            "Gradients are as small as the loss.",
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
centres = torch.randn(classes, 10)
y = torch.randint(0, classes, (2400,))
x = centres[y] + 0.7 * torch.randn(2400, 10)
train_x, train_y, val_x, val_y = x[:2000], y[:2000], x[2000:], y[2000:]

model = nn.Sequential(
    nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, classes)
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1.0)
criterion = nn.CrossEntropyLoss()

for epoch in range(10):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(val_x).argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("eps=1.0", "eps=1e-8"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = progress(run)
        if seen is None or seen.learnt is None or seen.learnt >= self.learnt or seen.worse:
            return
        eps = max((o.eps for o in run.optimizers), default=0.0)
        sizes = {p.name: math.prod(p.shape) for p in run.parameters}
        known = {
            s.site: float(np.median(s.finite.tail(END)))
            for s in run.every(EPSILON_FACTOR)
            if s.finite and s.site in sizes
        }
        low = {site: value for site, value in known.items() if value < self.factor}
        whole = sum(sizes[site] for site in known)
        if not low or sum(sizes[site] for site in low) < self.share * whole:
            return
        early = [float(np.median(run.series(EPSILON_FACTOR, s).finite.head(0.1, 5))) for s in low]
        if min(early) > self.factor:
            return  # it came to this later: the gradient is gone for a reason of its own
        factor = float(np.median(list(low.values())))
        worst = min(low, key=lambda site: low[site])
        said = (
            f"eps={eps:g} is far larger than the gradients"
            if eps >= self.large
            else f"the gradients are below eps={eps:g}"
        )
        optimizer = run.optimizers[0]
        yield self.finding(
            f"{optimizer.type} takes {factor:.1%} of its usual step: {said}, and "
            f"{max(seen.learnt, 0.0):.0%} of what there is to learn was learnt.",
            Evidence(
                "epsilon_factor",
                f"epsilon leaves {factor:.2g} of the step at the median of {len(low)} of "
                f"{len(known)} parameters, {low[worst]:.2g} at {worst}",
                where=worst,
                value=factor,
                limit=self.factor,
            ),
            severity="critical",
            confidence=0.93 if eps >= self.large else 0.85,
            where=optimizer.type,
            source=optimizer.source,
            first_step=0,
        )
