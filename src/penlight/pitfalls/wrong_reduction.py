"""wrong-reduction: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Graph, Hygiene, Objective, Optimizer
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import at_common_steps, score
from penlight.pitfalls._graph import LOSSES, wirings
from penlight.pitfalls._rates import CLEAR, rates


class WrongReduction(Pitfall):
    """The batch's size gets into the loss, and so into the learning rate.

    A caterer who charges by the party instead of by the plate: twice the guests, twice the
    bill for each bite, and a big wedding ruins the host. One who divides the price of a plate by
    the guests again can buy nothing.

    ## What happens
    With `reduction="sum"` the gradient grows with the number of samples (and outputs) in a
    batch. For plain SGD that is the same as a learning rate multiplied by that number: 0.01 with
    64 samples acts like 0.64. A mean that is divided by the batch's size once more acts like a
    rate of 0.00016. Either way a smaller last batch or a doubled batch size changes the step.

    ## Symptoms
    - Losses in the hundreds, huge gradient norms; the run swings, stalls or ends in NaN.
    - Or tiny losses from the first step, far below what a guess would cost, that hardly fall.
    - The best learning rate changes with the batch size.

    ## Causes
    - `reduction="sum"`, or a handwritten `.sum()` where `.mean()` was meant.
    - A recipe for averaged losses (learning rate, clipping) used with a summed one.
    - `loss / batch_size` behind a loss that averages already, as torch's do by default.

    ## When not to worry
    Adam divides the scale of the gradient out. A sum that is divided afterwards, or a learning
    rate chosen for it, is as good as a mean (variational autoencoders sum over pixels). This is
    reported only when plain SGD does not get anywhere with it, or not far enough.

    ## References
    - P. Goyal et al., Accurate, Large Minibatch SGD, 2017, section 3.2: a common pitfall, scaling
      the loss is not the same as scaling the learning rate.
    """

    family = "objective"
    needs = (Objective, Graph, Optimizer, Hygiene, LOSS, OBJECTIVE_LOSS)
    looks_like = {
        "grad-accum-misnormalised": (
            "Accumulated means grow with the number of batches behind a step, not with their size."
        ),
        "lr-too-high": "Too high a rate fails with a loss that is averaged over the batch.",
        "missing-zero-grad": (
            "Without `zero_grad` the gradients grow from step to step, by adding up over time."
        ),
    }
    samples: float = limit(
        8, why="below a factor of 8 a summed loss stays within the usual range of learning rates"
    )
    worse: float = limit(
        1.0,
        why="a run whose loss per sample ends no lower than it began has not learnt; the same run "
        "averaged is well below it (this file's demo)",
    )
    prescriptions = (
        Prescription(
            "Average the loss: reduction='mean' (the default), or loss.sum() / len(batch).",
            "Then the step does not depend on the batch size.",
            "the objective is a sum by definition: then divide the learning rate by the batch size",
            edits=("mean-loss",),
        ),
    )
    exact: float = limit(1e-4, why="relative; float32 sums and quotients agree to about 1e-6")
    most: float = limit(
        0.7, why="share of the looks: a last batch that is smaller is divided by its own size"
    )
    enough: float = limit(0.8, why="share of what there is to learn: beyond it nothing is missing")
    _once = (
        Prescription(
            "Take the second division out: reduction='mean' has divided by the batch's size.",
            "Then the learning rate is the one that you wrote down.",
            edits=("divide-once",),
        ),
        Prescription(
            "Or raise the learning rate by that factor.",
            "With plain SGD it comes to the same, as long as all batches are of one size.",
            edits=("learning-rate",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 6
centres = 1.5 * torch.randn(classes, 10)
y = torch.randint(0, classes, (2400,))
x = centres[y] + torch.randn(2400, 10)
loader = DataLoader(TensorDataset(x[:1920], y[:1920]), batch_size=64, shuffle=True)
val_x, val_y = x[1920:], y[1920:]

model = nn.Sequential(
    nn.Linear(10, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, classes),
)
criterion = nn.CrossEntropyLoss(reduction="sum")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

for epoch in range(6):
    model.train()
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(val_x)
        val_loss = nn.functional.cross_entropy(logits, val_y).item()
        accuracy = (logits.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: validation loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(('nn.CrossEntropyLoss(reduction="sum")', "nn.CrossEntropyLoss()"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        objective = run.objective
        if objective is None or not run.optimizers:
            return
        if objective.reduction == "mean":
            yield from self._twice(run, objective)
        if objective.reduction != "sum":
            return
        optimizer = run.optimizers[0]
        plain = not any(o.adaptive for o in run.optimizers) and (
            optimizer.type == "SGD"
            or (optimizer.own and not objective.by_hand)  # it may divide by the number of samples
        )
        count = _summed(objective)
        if not plain or count < self.samples or run.hygiene.clip_calls or _divided(run, objective):
            return
        ratio = _ends_at(run, objective)
        if ratio is None or ratio < self.worse:
            return
        effective = optimizer.lr * count
        end = f"{ratio:.2g} times the first" if math.isfinite(ratio) else "not a number"
        yield self.finding(
            f"The loss is summed over {count} targets, so the learning rate of {optimizer.lr:g} "
            f"acts like {effective:.3g}, and the run gets nowhere: its last loss is {end}.",
            Evidence(
                OBJECTIVE_LOSS.name,
                f"loss per target at the end: {end}",
                where=objective.site,
                steps=(0, max(0, run.steps - 1)),
                value=ratio if math.isfinite(ratio) else None,
                limit=self.worse,
            ),
            Evidence(
                "objective",
                f"reduction='sum' over shape {objective.target_shape}: a factor of {count}",
                where=objective.site,
                value=count,
                limit=self.samples,
            ),
            confidence=0.9,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )

    def _twice(self, run: Run, objective: Objective) -> Iterator[Finding]:
        """A mean that is divided by the number of samples again, where plain SGD lacks the steps.

        Several backward passes for a step are sums of such losses, which are means as a whole.
        """
        size = objective.target_shape[0] if objective.target_shape else 0
        sums = run.hygiene.backwards > run.steps
        plain = all(o.type == "SGD" for o in run.optimizers)
        if not plain or sums or run.hygiene.clip_calls or size < self.samples:
            return
        own, given = at_common_steps(
            run.series(OBJECTIVE_LOSS, objective.site).finite, run.series(LOSS).finite
        )
        reached = score(run, objective)
        exactly = np.isclose(given * size, own, rtol=self.exact, atol=0)
        if len(own) < 4 or exactly.mean() < self.most or reached is None or reached >= self.enough:
            return
        tried = [r for name in ("rates", "rates_end") if (r := rates(run, name)) is not None]
        if any(r.tenfold < r.own - CLEAR for r in tried):
            return  # the rate was chosen for it
        rate = run.optimizers[0].lr
        yield self.finding(
            f"The loss is a mean, and is divided by the {size} samples of the batch again, so the "
            f"learning rate of {rate:g} acts like {rate / size:.2g}.",
            Evidence(
                LOSS.name,
                f"in {exactly.sum()} of {len(own)} looks what is learnt from is 1/{size} of the "
                f"mean {objective.function}",
                where=objective.site,
                steps=(0, max(0, run.steps - 1)),
                value=float(exactly.mean()),
                limit=self.most,
            ),
            Evidence(
                "accuracy",
                f"{max(reached, 0):.0%} of what there is to learn was learnt",
                value=reached,
                limit=self.enough,
            ),
            severity="warning",
            confidence=0.9,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._once,
        )


def _summed(objective: Objective) -> int:
    """How many targets one loss adds up."""
    shape = objective.target_shape
    if objective.function in ("cross_entropy", "nll_loss") and shape == objective.input_shape:
        shape = shape[:1]
    return math.prod(shape)


def _divided(run: Run, objective: Objective) -> bool:
    """Whether the loss is divided by something after the loss function."""
    nodes = LOSSES.get(objective.function, ())
    for wiring in wirings(run):
        for i in range(len(wiring.ops)):
            if wiring.names[i] in nodes and any(
                wiring.names[j] in ("Div", "Mul", "Mean") for j in wiring.users[i]
            ):
                return True
    return False


def _ends_at(run: Run, objective: Objective) -> float | None:
    """Last loss per target over the first; infinite when it is no number any more."""
    series = run.series(OBJECTIVE_LOSS, objective.site)
    if len(series) < 4:
        return None
    first, last = series.values[0], series.tail(0.1, at_least=2)
    if not np.isfinite(last).all():
        return math.inf
    return float(np.median(last) / first) if first > 0 else None
