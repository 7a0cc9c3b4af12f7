"""grad-accum-misnormalised: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Accumulation, Hygiene, Objective, Optimizer
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import BACKWARDS, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import progress


class GradAccumMisnormalised(Pitfall):
    """Small batches that are added up do not give the step of one large batch.

    Averaging class averages: a class of five pupils counts as much as one of fifty. And whoever
    adds the averages up and forgets to divide reports a school of geniuses.

    ## What happens
    Several backward passes before one `optimizer.step()` add their gradients. Each loss is a mean
    over its own batch, so the sum over k batches is k times the gradient of the mean: for plain
    SGD a learning rate k times as high. Divided by k it is the mean of means, which equals the
    mean over everything only where all batches have the same number of targets. With sequences of
    unequal length it has not: tokens of short batches weigh more.

    ## Symptoms
    - Another number of accumulated batches behaves like another learning rate.
    - The same effective batch size gives another result than without accumulation.

    ## Causes
    - `loss.backward()` without `/ accum_steps`.
    - Means over the valid tokens of each batch, averaged afterwards.

    ## When not to worry
    Adam divides a common factor out of the gradient. A missing division is told only for plain SGD
    and only when the run gets nowhere. Batches of unequal size are told when a good part of the
    weight has moved; few percent are normal at the end of an epoch.

    ## References
    - transformers, pull request 34191 and issue 35203, and the blog post on the repaired
      gradient accumulation.
    - P. Goyal et al., Accurate, Large Minibatch SGD, 2017, section 3.
    """

    family = "objective"
    needs = (Accumulation, Objective, Optimizer, Hygiene, BACKWARDS, LOSS, OBJECTIVE_LOSS)
    looks_like = {
        "lr-too-high": (
            "Too high a rate fails with one backward pass for each step, or with losses that are "
            "divided."
        ),
        "missing-zero-grad": (
            "Without `zero_grad` the gradients add up over steps, not only between two of them."
        ),
        "wrong-reduction": "A summed loss grows with the samples of one batch.",
    }
    batches: float = limit(
        4, why="a learning rate 2 or 3 times as high stays within what most runs forgive"
    )
    divided: float = limit(
        0.7,
        why="loss given to backward() over that of the loss function: 1 where nothing was divided, "
        "at most a half where it was",
    )
    worse: float = limit(
        1.0,
        why="a run whose loss ends no lower than it began has not learnt, as in wrong-reduction",
    )
    learnt: float = limit(
        0.1,
        why="share of what there is to learn: one that stands at a guess has not learnt either, "
        "though its last loss may lie a hair below its first",
    )
    uneven: float = limit(
        0.25,
        why="share of the weight that lies on other targets than in the mean over all: with "
        "lengths of 8, 32, 128 and 432 it is 0.47 and the gradient is off by 26% "
        "(shared/catalogue.md); epochs that end with a smaller batch stay below 0.1",
    )
    looks: float = limit(
        3, why="steps looked at: how losses are added up is a matter of code, the same in each"
    )
    steps: float = limit(8, why="steps of unequal batches that are no accident of one epoch's end")
    prescriptions = (
        Prescription(
            "Divide each loss by the number of batches that make a step.",
            "Their sum is then the mean, and the learning rate keeps its meaning.",
            "the batches differ in size: then see below",
            edits=("accumulate-mean",),
        ),
        Prescription(
            "For batches of unequal size add up sums: reduction='sum', divided by the number of "
            "valid targets of the whole step.",
            "Every target then weighs the same.",
        ),
    )
    _sums = prescriptions[1:]
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, accumulate = 6, 16
centres = 1.5 * torch.randn(classes, 10)
y = torch.randint(0, classes, (1800,))
x = centres[y] + torch.randn(1800, 10)
loader = DataLoader(TensorDataset(x[:1280], y[:1280]), batch_size=8, shuffle=True)
val_x, val_y = x[1280:], y[1280:]

model = nn.Sequential(
    nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)

for epoch in range(8):
    model.train()
    optimizer.zero_grad()
    for i, (xb, yb) in enumerate(loader):
        loss = loss_fn(model(xb), yb)
        loss.backward()
        if (i + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("        loss.backward()", "        (loss / accumulate).backward()"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        objectives = {o.site: o for o in run.objectives}
        for fact in run.all(Accumulation):
            objective = objectives.get(fact.objective)
            if objective is not None and fact.steps >= self.looks:
                yield from self._undivided(run, objective, fact)
            if objective is not None and fact.steps >= self.steps:
                yield from self._uneven(objective, fact)

    def _undivided(self, run: Run, objective: Objective, fact: Accumulation) -> Iterator[Finding]:
        if fact.batches < self.batches or fact.batches not in run.series(BACKWARDS).values:
            return
        if not run.optimizers or run.hygiene.clip_calls:
            return
        plain = all(o.type == "SGD" for o in run.optimizers)
        if not plain or objective.reduction != "mean":
            return
        kept, ends, seen = _kept(run, objective), _ends_at(run), progress(run, objective)
        if kept is None or not self.divided < kept < 1 / self.divided:
            return
        if ends is None:
            return
        at_a_guess = seen is not None and seen.learnt is not None and seen.learnt <= self.learnt
        if ends < self.worse and (seen is None or not at_a_guess or seen.falling):
            return  # it learns, or is on its way
        k, rate = fact.batches, run.optimizers[0].lr
        end = f"{ends:.2g} times the first" if math.isfinite(ends) else "not a number"
        yield self.finding(
            f"The losses of {k} batches are added up and not divided: the learning rate of "
            f"{rate:g} acts like {rate * k:.3g}, and the run gets nowhere: its last loss is {end}.",
            Evidence(
                LOSS.name,
                f"backward() was given {kept:.2g} times the mean over a batch, {k} times before "
                f"each step; divided it would be {1 / k:.2g} times",
                where=objective.site,
                steps=(0, max(0, run.steps - 1)),
                value=kept,
                limit=self.divided,
            ),
            confidence=0.9,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self.prescriptions[:1],
        )

    def _uneven(self, objective: Objective, fact: Accumulation) -> Iterator[Finding]:
        if objective.reduction != "mean" or fact.uneven < self.uneven or fact.batches < 2:
            return
        yield self.finding(
            f"The {fact.batches} batches behind a step have from {fact.fewest} to {fact.most} "
            "targets and weigh the same: targets of small batches count for more.",
            Evidence(
                "accumulation",
                f"{fact.uneven:.0%} of the weight lies on other targets than in the mean over all "
                f"of them, median over {fact.steps} steps",
                where=objective.site,
                value=fact.uneven,
                limit=self.uneven,
            ),
            severity="note",
            confidence=0.8,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._sums,
        )


def _kept(run: Run, objective: Objective) -> float | None:
    """The loss given to backward() over the mean of the loss function, median over the looks."""
    whole, own = run.series(LOSS).finite, run.series(OBJECTIVE_LOSS, objective.site).finite
    _, left, right = np.intersect1d(whole.steps, own.steps, return_indices=True)
    values = own.values[right]
    if len(values) < 4 or not (values > 0).all():
        return None
    return float(np.median(whole.values[left] / values))


def _ends_at(run: Run) -> float | None:
    """Last loss over the first; infinite when it is no number any more."""
    series = run.series(LOSS)
    if len(series) < 8:
        return None
    last = series.tail(0.1, at_least=2)
    if not np.isfinite(last).all():
        return math.inf
    first = float(series.values[0])
    return float(np.median(last) / first) if first > 0 else None
