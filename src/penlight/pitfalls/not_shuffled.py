"""not-shuffled: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Objective, Optimizer, Predictions, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, BACKWARDS, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import FINE, fails, progress
from penlight.pitfalls._evaluations import held_out_passes


class NotShuffled(Pitfall):
    """The data arrive sorted by class, so each batch shows one class only.

    Studying nothing but algebra in the first week and nothing but geometry in the second: by the
    day of the exam the algebra is gone.

    ## What happens
    A batch that holds a single class has a trivial solution: always say that class. Every step
    goes there, and when the next class arrives, the model forgets the last one. The gradient of a
    batch no longer points where the gradient of all data points.

    ## Symptoms
    - A saw-tooth: batches are all right, then all wrong at each change of class.
    - High training accuracy, validation near chance; most predictions name the last class seen.
    - Batch-norm statistics that swing.

    ## Causes
    - `shuffle=True` forgotten on data that is stored by class (folders, sorted tables).
    - An iterable dataset without a shuffle buffer.
    - Splitting a sorted table by position.

    ## When not to worry
    Time series keep their order within a sample, not between samples. Batches of one class that
    are accumulated before each step add up to a mixed one.

    ## References
    - torch documentation of `torch.utils.data.DataLoader`, parameter `shuffle`.
    - Google, Deep Learning Tuning Playbook: periodic training curves.
    """

    family = "data"
    stands_alone = True
    needs = (
        Targets, Objective, Predictions, Optimizer, ACCURACY, BACKWARDS, LOSS, OBJECTIVE_LOSS,
    )  # fmt: skip
    looks_like = {
        "catastrophic-forgetting": (
            "Old data that never come back are forgotten for good, in mixed batches as well."
        ),
        "distributed-duplicate-data": (
            "Ranks that share their rows, or one order for all epochs, come with mixed batches."
        ),
        "misaligned-labels": "Mixed-up labels come in batches of mixed classes.",
        "overfitting": "Overfitting happens with batches of mixed classes.",
    }
    share: float = limit(
        0.5,
        why="of the batches hold one class only; 200 shuffled epochs never gave an excess beyond "
        "1.6 times chance, sorted data 31 times (catalogue)",
    )
    excess: float = limit(
        10.0, why="times the share of one-class batches that drawing at random would give"
    )
    sure: float = limit(
        0.95,
        why="of the batches hold one class only: the first batches of sorted data show few "
        "classes, and hide what chance would give (GH10-fastText-74: 100%, by chance 22% to 60%)",
    )
    even: float = limit(
        0.5, why="share by chance up to which that is no matter of one class in nearly all rows"
    )
    saw: float = limit(
        0.2,
        why="variance of batch accuracies over mean x (1 - mean): 1 when batches are right or "
        "wrong as a whole; the demo gives 0.31 to 0.45 sorted, 0.03 (one over the batch) shuffled",
    )
    lost: float = limit(
        0.2, why="held-out accuracy below that on training batches: beyond ordinary overfitting"
    )
    prescriptions = (
        Prescription(
            "DataLoader(dataset, batch_size=..., shuffle=True), or order = torch.randperm(len(x)) "
            "in every epoch.",
            "Then each batch is a small picture of all the data.",
            "the order carries the task, as in a stream that is learnt online",
            edits=("shuffle",),
        ),
        Prescription(
            "For an iterable dataset, use a shuffle buffer or shuffle the files.",
            "Sorted shards give sorted batches.",
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
classes = 10
centres = 0.8 * torch.randn(classes, 12)
labels = torch.arange(classes).repeat_interleave(150)  # one folder after the other
features = centres[labels] + torch.randn(1500, 12)
val_y = torch.randint(0, classes, (500,))
val_x = centres[val_y] + torch.randn(500, 12)

loader = DataLoader(TensorDataset(features, labels), batch_size=30, shuffle=False)
model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, classes))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(10):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = loss_fn(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: train {loss.item():.3f}, val {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("shuffle=False", "shuffle=True"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        objective, targets = run.objective, run.targets()
        if objective is None or targets is None or targets.sorted_share is None:
            return
        batch = objective.target_shape[0] if objective.target_shape else 0
        if not self._one_batch_a_step(run) or batch < 2 or not sum(targets.classes):
            return
        total = sum(targets.classes)
        by_chance = sum((n / total) ** batch for n in targets.classes)
        pure = targets.sorted_share
        sorted_all = pure >= self.sure and by_chance < self.even
        if pure < self.share or (pure < self.excess * by_chance and not sorted_all):
            return
        harm, where = self._harm(run, objective), objective.site
        curve = progress(run) if not harm and fails(run) else None
        learnt = curve.learnt if curve is not None else None
        evidence = [
            Evidence(
                "targets",
                f"{pure:.0%} of the batches hold a single class; shuffled batches of {batch} would "
                "do "
                f"so in {by_chance:.1g} of the cases",
                where=where,
                value=pure,
                limit=self.share,
            ),
            *harm,
        ]
        if learnt is not None:
            evidence.append(
                Evidence(
                    "loss",
                    f"{max(learnt, 0.0):.0%} of what there is to learn was learnt on the "
                    "training batches",
                    where=where,
                    value=learnt,
                    limit=FINE,
                )
            )
        yield self.finding(
            f"{pure:.0%} of the training batches hold one class only: the data are not shuffled"
            + (", and the model forgets each class while it learns the next." if harm else "."),
            *evidence,
            severity="critical" if harm else "note" if learnt is None else "warning",
            confidence=0.93 if harm else 0.6 if learnt is None else 0.85,
            where=where,
            source=objective.source,
            first_step=0,
        )

    @staticmethod
    def _one_batch_a_step(run: Run) -> bool:
        """Whether each step follows one batch of one model: no accumulation, no adversary."""
        several = any(float(s.values.max()) > 1 for s in run.every(BACKWARDS))
        return len(run.optimizers) == 1 and len(run.objectives) == 1 and not several

    def _harm(self, run: Run, objective: Objective) -> list[Evidence]:
        """Evidence that the order hurts: a saw-tooth in training, or classes lost when tested."""
        found = []
        accuracy = run.series(ACCURACY, objective.site).finite
        late = accuracy.tail(0.5)
        mean = float(np.mean(late)) if len(late) else 1.0
        if len(late) >= 20 and 0.02 < mean < 0.98:
            saw = float(np.var(late)) / (mean * (1 - mean))
            if saw > self.saw:
                wrong = float(np.mean(late < 0.5))
                found.append(
                    Evidence(
                        "accuracy",
                        f"batches are either right or wrong as a whole: {wrong:.0%} of the later "
                        "ones "
                        f"are mostly wrong, while {float(np.median(late)):.0%} is the median "
                        "accuracy",
                        where=objective.site,
                        steps=(int(accuracy.steps[len(accuracy) // 2]), int(accuracy.steps[-1])),
                        value=saw,
                        limit=self.saw,
                    )
                )
        for passes in held_out_passes(run):
            last = passes[-1]
            if last.accuracy is None or not sum(last.labels) or not len(late):
                continue
            top = int(np.argmax(last.predicted))
            named = last.predicted[top] / max(sum(last.predicted), 1)
            real = last.labels[top] / sum(last.labels) if top < len(last.labels) else 0.0
            error = math.sqrt(mean * (1 - mean) / max(last.samples, 1))
            if mean - last.accuracy > self.lost + 3 * error and named > 2 * real:
                found.append(
                    Evidence(
                        "predictions",
                        f"held-out accuracy is {last.accuracy:.0%} against {mean:.0%} in training, "
                        "and "
                        f"{named:.0%} of the answers are class {top}",
                        where=last.objective,
                        steps=(last.step, last.step),
                        value=last.accuracy,
                        limit=mean - self.lost,
                    )
                )
                break
        return found
