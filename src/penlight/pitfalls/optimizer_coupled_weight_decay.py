"""optimizer-coupled-weight-decay: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Optimizer, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM, LOSS, OBJECTIVE_LOSS, WEIGHT_NORM
from penlight.pitfalls._curves import progress
from penlight.pitfalls._forces import coupled, decay_pull, shrinkage, weight_matrices


class OptimizerCoupledWeightDecay(Pitfall):
    """Adam divides weight decay by the gradient's size: a mild one crushes the weights.

    A brake that presses with a set force is gentle on a heavy cart. Fixed to a pedal that makes
    every push equally strong, it stops the cart as soon as the engine idles.

    ## What happens
    `Adam(weight_decay=...)` adds decay x weight to the gradient and then divides the sum by its
    usual size. Where the decay is the larger part of that sum, the weight moves towards zero by
    about the full learning rate in every step, however small the decay is. AdamW takes
    lr x decay x weight off the weight, beside the division: 0.1 is mild there and ruin here.

    ## Symptoms
    - The training loss stops high or returns to chance; the weights shrink.
    - At the end the decay is as large as the gradient of the task.

    ## Causes
    - `torch.optim.Adam` (NAdam, RAdam, RMSprop, Adagrad) with a `weight_decay` meant for AdamW.

    ## When not to worry
    Values of 1e-5 or below, and runs that fit the training data all the same.

    ## References
    - I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """

    family = "optimisation"
    needs = (WEIGHT_NORM, GRAD_NORM, LOSS, OBJECTIVE_LOSS, Optimizer, Parameter)
    caused_by = (
        "lr-too-high",
        "double-softmax",
        "nonfinite-loss",
        "missing-zero-grad",
        "loss-broadcast",
        "params-not-optimised",
        "gradient-cut",
    )
    looks_like = {
        "underfitting-capacity": (
            "A model that is too narrow keeps its weight norms, and decay is small beside its "
            "gradient."
        ),
    }
    usual: float = limit(
        0.1,
        why="recipes for AdamW use 0.01 to 0.1; in the demo AdamW reaches an accuracy of 0.945 "
        "with 0.1 where Adam ends at 0.108. More than that is too strong in any optimiser, see "
        "excessive-regularisation",
    )
    pull: float = limit(
        0.5,
        why="decay x weight norm over gradient norm; where decay has stopped the learning the two "
        "balance, a ratio of 1 (catalogue: 0.99 with decay, 0 without)",
    )
    shrunk: float = limit(
        0.7,
        why="median weight norm against its start: it grew or stayed in 30 healthy runs "
        "(benchmarks/healthy: 0.99 to 5)",
    )
    learnt: float = limit(
        0.8, why="share of what there is to learn: beyond it the decay is a choice"
    )
    ruined: float = limit(
        0.5, why="share of what there is to learn below which the run is ruined, not just hurt"
    )
    prescriptions = (
        Prescription(
            "Use AdamW with the same settings: `torch.optim.AdamW(model.parameters(), ...)`.",
            "It takes the decay off the weight directly and does not divide it.",
            edits=("swap-optimizer",),
        ),
        Prescription(
            "Or stay with this optimiser and set weight_decay to 0 or 1e-5.",
            "So small a decay only counts where the gradient is gone.",
            edits=("weight-decay",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 10
centres = 1.2 * torch.randn(classes, 3, 12)
y = torch.randint(0, classes, (2400,))
x = centres[y, torch.randint(0, 3, (2400,))] + 0.7 * torch.randn(2400, 12)
train_x, train_y, val_x, val_y = x[:2000], y[:2000], x[2000:], y[2000:]

model = nn.Sequential(
    nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=0.1)
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
        logits = model(val_x)
        val_loss = criterion(logits, val_y).item()
        accuracy = (logits.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: train {loss.item():.3f}, val {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("torch.optim.Adam(", "torch.optim.AdamW("),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        if len(run.optimizers) != 1 or not coupled(run.optimizers[0]):
            return
        optimizer, seen = run.optimizers[0], progress(run)
        decay = optimizer.weight_decay
        if not 0 < decay <= self.usual or seen is None or seen.learnt is None:
            return
        names = weight_matrices(run)
        shrunk, pull = shrinkage(run, names), decay_pull(run, names, decay)
        if seen.learnt >= self.learnt or shrunk is None or shrunk > self.shrunk:
            return
        if pull is None or pull < self.pull:
            return
        yield self.finding(
            f"{optimizer.type} divides weight_decay={decay:g} by the gradient's size: the weights "
            f"fell to {shrunk:.1%} of their norm, and {max(seen.learnt, 0.0):.0%} of what there "
            "is to learn was learnt.",
            Evidence(
                "grad_norm",
                f"at the end the decay is {pull:.2g} times as large as the gradient of the task",
                value=pull,
                limit=self.pull,
            ),
            Evidence(
                "weight_norm",
                f"a typical weight matrix has {shrunk:.1%} of the norm that it had at the start",
                steps=(0, run.steps),
                value=shrunk,
                limit=self.shrunk,
            ),
            severity="critical" if seen.learnt < self.ruined else "warning",
            confidence=0.93 if seen.learnt < self.ruined else 0.8,
            where=optimizer.type,
            source=optimizer.source,
            first_step=0,
        )
