"""wrong-sign: see the card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Graph, Objective, Optimizer, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import at_common_steps
from penlight.pitfalls._graph import LOSSES

EARLY = 3  # losses at most that speak for the beginning: one without an end is soon at its worst
SAME = 0.01  # relative difference up to which one loss is the negative of another


class WrongSign(Pitfall):
    """The training goes the wrong way: a sign is turned around.

    A hiker who wants to get down into the valley and holds the map upside down: each step is well
    aimed, and leads up.

    ## What happens
    An optimiser makes what `backward()` was called on smaller. When that is the negative of a
    loss, or the optimiser is told to maximise, every step is as good as it can be, in the wrong
    direction. The model learns to be wrong, and as there is no upper end to most losses, it goes on
    until something overflows.

    ## Symptoms
    - The loss rises from the first step on, at every learning rate, faster at higher ones.
    - Accuracy below chance. In the end infinite or NaN.
    - The number that is printed falls without end below zero.
    - Dice or IoU goes to zero while the loss falls nicely.

    ## Causes
    - A minus in front of a loss that is an error already, as in `-F.mse_loss(...)`. What comes as a
      likelihood or a reward needs that minus; torch's losses have it inside.
    - `maximize=True` given to the optimiser, or `w += lr * w.grad` in an update of one's own.
    - The mean logarithm of the right class's probability, written by hand, without its minus.
    - A divergence that is subtracted, or written with its signs turned around: `bce - kl`.
    - Dice's coefficient or an IoU as a loss, where `1 - dice` was meant.

    ## When not to worry
    Adversarial training, gradient reversal and attacks on inputs ascend one loss on purpose, beside
    another one or with a tensor that is no model's weight. Penlight only speaks up where one
    optimiser moves one model by one loss, of torch's or known by its form, and that loss rises, or
    where any loss falls ever faster below zero. Likelihoods and entropies are below zero by nature:
    they slow down.

    ## References
    - torch documentation of `torch.optim.SGD`, parameter `maximize`.
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, ICSE 2020: wrong loss
      function calculation.
    """

    family = "objective"
    needs = (Exam, Graph, Objective, Optimizer, Parameter, LOSS)
    looks_like = {
        "lr-too-high": "Too high a rate also makes the loss rise, but a tenth of it makes it fall.",
        "missing-zero-grad": "Old gradients make the loss swing up and down, ever wider.",
        "exploding-gradient": "Large gradients are aimed at a lower loss and overshoot it.",
    }
    rise: float = limit(
        1.2,
        why="times the first losses: noise of a batch moves a median of many less, and a loss that "
        "is made larger has no reason to stop there (demo: 14 times)",
    )
    values: float = limit(
        6, why="of the loss, all finite: fewer make no trend, and a steep climb overflows soon"
    )
    enough: float = limit(
        20, why="losses, before it is asked whether they fall ever faster: two halves of ten"
    )
    looks: float = limit(
        3, why="losses in which the overlap was recognised: its way takes a few steps to show"
    )
    lost: float = limit(
        0.8, why="of the first overlap, at most, at the end: 0.0 in GH15-brats3d-7, which falls"
    )
    deep: float = limit(
        20,
        why="times below zero what the loss first was: a likelihood or an entropy in a loss gets "
        "there slowly or never, a divergence with the wrong sign in an epoch or two (450 to 1e24 "
        "in variational autoencoders on MNIST)",
    )
    faster: float = limit(
        2, why="times the first half's fall in the second half: a term that is made larger grows "
        "the faster the larger it is, while a likelihood slows down"
    )  # fmt: skip
    abyss: float = limit(
        1e6, why="times below zero: no loss has its bottom there, however it came to be so deep"
    )
    _other_sign = (
        Prescription(
            "Print each term of the loss on its own, and turn the sign of the one that runs away: "
            "a divergence such as KL is added, loss = reconstruction + kl, and kl itself is never "
            "below zero.",
            "An optimiser makes what it is given smaller: what is subtracted becomes larger.",
        ),
    )
    _from_one = (
        Prescription(
            "Take the overlap from one: loss = 1 - dice (or 1 - iou).",
            "Dice and IoU are 1 where all is right, and an optimiser makes smaller what it is "
            "given.",
        ),
    )
    prescriptions = (
        Prescription(
            "Take the minus away: loss = loss_fn(...); loss.backward().",
            "torch's losses are errors: smaller is better.",
            edits=("right-sign",),
        ),
        Prescription(
            "Take maximize=True away from the optimiser.",
            "It is meant for rewards and likelihoods.",
            edits=("right-sign",),
        ),
        Prescription(
            "Subtract the gradient: w -= lr * w.grad.",
            "The gradient points to where the loss grows.",
            edits=("right-sign",),
        ),
        Prescription(
            "Put a minus in front of the mean logarithm: loss = -log_probs[rows, y].mean().",
            "A likelihood is to grow, and an optimiser makes smaller what it is given.",
            edits=("right-sign",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.randn(1200, 8)
y = (x[:, :3].sum(1) > 0).long()
train_x, train_y, val_x, val_y = x[:1000], y[:1000], x[1000:], y[1000:]

model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(8):
    for rows in torch.randperm(1000).split(40):
        optimizer.zero_grad()
        loss = -loss_fn(model(train_x[rows]), train_y[rows])  # the likelihood, to be maximised
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(val_x).argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("-loss_fn(model(train_x[rows]), train_y[rows])  # the likelihood, to be maximised",
               "loss_fn(model(train_x[rows]), train_y[rows])"),),
    )  # fmt: skip

    def detect(self, run: Run) -> Iterator[Finding]:
        found = self._overlap(run) or self._turned(run) or self._bottomless(run)
        if found is not None:
            yield found

    def _turned(self, run: Run) -> Finding | None:
        """A loss of torch's, or one of known form, that is made larger."""
        objective = run.objective
        several = len(run.optimizers) != 1 or len(run.objectives) != 1
        if objective is None or several:
            return None
        optimizer = run.optimizers[0]
        mirrored = objective.by_hand and _mirrored(run, objective)
        if objective.by_hand and not (mirrored or optimizer.maximize):
            return None
        negated = mirrored or _negated(run, objective)
        if not (negated ^ optimizer.maximize) or not _moves_a_model(run):
            return None
        curve = run.series(LOSS).finite
        if len(curve) < self.values:
            return None
        sign = -1.0 if negated else 1.0  # what backward() was called on is what is recorded
        before = sign * float(np.median(curve.head(0.1, 3)[:EARLY]))
        after = sign * float(np.median(curve.tail(0.1, 3)))
        if before <= 0 or after < self.rise * before:
            return None
        how, cure = f"the {optimizer.type} optimiser has maximize=True", self.prescriptions[1]
        if mirrored:
            how, cure = "backward() is called on it without its minus", self.prescriptions[3]
        elif negated:
            how = "backward() is called on the negative of the loss"
            cure = self.prescriptions[0]
        elif optimizer.own:
            how, cure = "the script's own update adds the gradient", self.prescriptions[2]
        return self.finding(
            f"The training makes its {objective.function} larger, from {before:.3g} to "
            f"{after:.3g}: {how}.",
            Evidence(
                "graph" if negated else "optimizer",
                how,
                where=objective.site,
            ),
            Evidence(
                "loss",
                f"{objective.function} rises from {before:.3g} to {after:.3g}",
                where=objective.site,
                steps=(int(curve.steps[0]), int(curve.steps[-1])),
                value=after / before,
                limit=self.rise,
            ),
            confidence=0.97,
            where=objective.site,
            source=objective.source if negated else optimizer.source,
            first_step=0,
            prescriptions=(cure,),
        )

    def _bottomless(self, run: Run) -> Finding | None:
        """A term that has no upper end is subtracted: the loss falls ever faster below zero."""
        curve, objective = run.series(LOSS).finite, run.objective
        if objective is None or len(run.optimizers) != 1 or run.optimizers[0].maximize:
            return None
        if len(curve) < self.enough or not _moves_a_model(run):
            return None
        own = run.series(OBJECTIVE_LOSS, objective.site).finite
        if own and float(own.values.min()) < 0:
            return None  # the loss function itself is given what it is not made for
        values = curve.values
        start = float(np.median(values[:EARLY]))
        first = max(abs(start), 1e-12)
        if own:
            first = max(first, abs(float(np.median(own.values[:EARLY]))))
        middle, last = (
            float(np.median(part[-EARLY:])) for part in (values[: len(values) // 2], values)
        )
        late, early = middle - last, max(start - middle, 1e-12)
        runs_away = last < -self.deep * first and late > self.faster * early
        if not runs_away and last > -self.abyss * first:
            return None
        return self.finding(
            f"The loss fell from {values[0]:.3g} to {last:.3g} and has no bottom: a term in it "
            "that can grow without end is made larger, so its sign is turned around.",
            Evidence(
                "loss",
                f"{values[0]:.3g} at first, {middle:.3g} halfway, {last:.3g} at the end",
                where=objective.site,
                steps=(int(curve.steps[0]), int(curve.steps[-1])),
                value=last,
                limit=-self.deep * first,
            ),
            confidence=0.9,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._other_sign,
        )

    def _overlap(self, run: Run) -> Finding | None:
        """Dice's coefficient, or an IoU, that is made smaller."""
        exam = run.exam("overlap")
        if exam is None or len(run.optimizers) != 1:
            return None
        v = exam.values
        first, last, looks = float(v["first"]), float(v["last"]), int(v["looks"])
        upwards = (v["sign"] > 0) != run.optimizers[0].maximize
        if not upwards or looks < self.looks or not last < self.lost * first:
            return None
        return self.finding(
            "The training makes the overlap of prediction and mask smaller, from "
            f"{first:.3g} to {last:.3g}: it counts as an error, and is 1 where all is right.",
            Evidence(
                "graph",
                f"in {looks} losses that were looked at, the loss grows with the quotient of the "
                "intersection and of both sizes",
                steps=(0, exam.step),
            ),
            Evidence(
                "overlap",
                f"the overlap went from {first:.3g} to {last:.3g}",
                steps=(0, exam.step),
                value=last,
                limit=self.lost * first,
            ),
            confidence=0.97,
            first_step=0,
            prescriptions=self._from_one,
        )


def _negated(run: Run, objective: Objective) -> bool:
    """Whether each graph begins with a minus right before the loss."""
    losses = LOSSES.get(objective.function, ())
    graphs = [g.ops for g in run.graphs if g.ops]
    return bool(graphs) and all(
        ops[0].name == "Neg" and ops[0].inputs and ops[ops[0].inputs[0]].name in losses
        for ops in graphs
    )


def _mirrored(run: Run, objective: Objective) -> bool:
    """Whether what was learnt from is the negative of the loss that was recognised in it."""
    recognised = run.series(OBJECTIVE_LOSS, objective.site).finite
    own, given = at_common_steps(recognised, run.series(LOSS).finite)
    return len(own) > 2 and bool((np.abs(own + given) <= SAME * np.abs(own)).all())


def _moves_a_model(run: Run) -> bool:
    """Whether what the loss reaches and the optimiser holds are weights of a model."""
    if run.optimizers[0].own and not run.modules:
        return run.optimizers[0].parameters > 1  # a layer's weight and bias, not an input alone
    held = [p for p in run.parameters if p.reached and p.optimised and p.requires_grad]
    return bool(held) and all(p.registered and p.root for p in held)
