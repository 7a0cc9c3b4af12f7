"""train-val-leakage: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Inputs, Objective, Predictions
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import OBJECTIVE_LOSS


class TrainValLeakage(Pitfall):
    """Samples of the validation set were also trained on.

    An exam whose questions were handed out the day before: the marks are splendid, and they say
    nothing about what the class can do.

    ## What happens
    Some rows of the held-out set are copies of training rows, exact ones or with a little noise.
    The model has seen their labels, so the score on them measures memory. Every decision that is
    based on this score, the choice of the model, of the rate, of the day to stop, leans towards
    memorising.

    ## Symptoms
    - Validation is better than it should be, and the model disappoints on truly new data.
    - Validation does not get worse however long one trains.

    ## Causes
    - Oversampling, augmentation or joining tables before the split.
    - Duplicates in the raw data; the same patient, user or day on both sides.
    - A random split of windows that overlap.

    ## When not to worry
    An evaluation of the training set itself, for comparison, is no leak, and neither are a few
    equal rows in data with few possible values. Both are told apart as well as the counts allow.

    ## References
    - B. Barz and J. Denzler, Do We Train on Test Data?, arXiv 1902.00423.
    - S. Kapoor and A. Narayanan, Leakage and the reproducibility crisis in machine-learning-based
      science, Patterns 2023.
    """

    family = "generalisation"
    stands_alone = True
    needs = (Predictions, Inputs, Objective, Exam, OBJECTIVE_LOSS)
    looks_like = {
        "shortcut-feature": (
            "A shortcut is one column that holds the answer in every row, new ones too."
        ),
        "distribution-shift": "A shift makes held-out rows too hard: they are of another kind.",
        "causal-leak": (
            "A causal leak sees the answer within one sequence: a later token moves an earlier "
            "output."
        ),
        "overfitting": (
            "Overfitting makes validation worse with time, on rows that were never trained on."
        ),
    }
    low: float = limit(
        0.05,
        why="share of held-out rows seen in training; real data sets hold up to 3% near or exact "
        "duplicates by nature (Barz and Denzler), the healthy zoo's digits 0.2%",
    )
    known: float = limit(
        0.8,
        why="of the share of training rows that the probe has itself seen: a pass over the "
        "training "
        "set reaches that share, a leak stays clearly below it",
    )
    size: float = limit(
        0.75,
        why="of the different rows trained on, and of those between two passes: a larger pass may "
        "hold the training set itself besides the held-out one",
    )
    values: float = limit(
        10,
        why="numbers in a row, not all of them whole: rows of tokens, counts or a few categories "
        "are "
        "equal by nature (29% in the character windows of benchmarks/healthy/still_falling)",
    )
    passes: float = limit(
        3,
        why="passes with the same share: it grows while the probe is still getting to know the "
        "data",
    )
    near: float = limit(
        0.2,
        why="share of held-out rows with a training row far nearer than the density around them "
        "allows: noisy copies before the split gave 0.35, split first 0.00 "
        "(TYP-augment-before-split); pictures of digits, alike by nature, up to 0.1",
    )
    both: float = limit(
        0.5,
        why="of that share, at least, among training rows themselves: copies made before the split "
        "lie on both sides (1.0 in TYP-augment-before-split); where only held-out rows have such "
        "neighbours the training has moved to other data (benchmarks/healthy: finetune_frozen, "
        "0.06 against 0.40)",
    )
    steady: float = limit(0.01, why="by which that share may differ: a fixed leak does not move")
    prescriptions = (
        Prescription(
            "Split first; oversample, augment and fit scalers afterwards, on the training part.",
            "What is copied after the split cannot cross it.",
            edits=("split-first",),
        ),
        Prescription(
            "Remove duplicates before splitting: x = torch.unique(x, dim=0), or drop_duplicates().",
            "A row then lies on one side only.",
        ),
        Prescription(
            "Split by group: all rows of one patient, user or day on the same side.",
            "Near copies leak as well, and no test for equal rows finds them.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
true = torch.randn(16)


def collect(count):
    x = torch.randn(count, 16)
    return x, (x @ true + 4 * torch.randn(count) > 0).long()


x, y = collect(700)
new_x, new_y = collect(2000)  # what comes after the model is shipped


def oversample(x, y):
    rows = torch.randint(0, len(x), (len(x),))
    return torch.cat([x, x[rows]]), torch.cat([y, y[rows]])


def split(x, y):
    order = torch.randperm(len(x))
    x, y, cut = x[order], y[order], int(0.75 * len(x))
    return x[:cut], y[:cut], x[cut:], y[cut:]


x, y = oversample(x, y)
train_x, train_y, val_x, val_y = split(x, y)

model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
loss_fn = nn.CrossEntropyLoss()


def evaluate(x, y):
    model.eval()
    with torch.no_grad():
        scores = model(x)
        return loss_fn(scores, y).item(), (scores.argmax(1) == y).float().mean().item()


for epoch in range(15):
    model.train()
    for rows in torch.randperm(len(train_x)).split(35):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    val_loss, accuracy = evaluate(val_x, val_y)
    print(f"epoch {epoch:2d}: val loss {val_loss:.3f}, val accuracy {accuracy:.3f}")

model.eval()
with torch.no_grad():
    honest = (model(new_x).argmax(1) == new_y).float().mean().item()
print("RESULT " + json.dumps({"metric": "optimism of validation", "value": accuracy - honest}))
""",
        cure=(
            (
                "x, y = oversample(x, y)\ntrain_x, train_y, val_x, val_y = split(x, y)",
                (
                    "train_x, train_y, val_x, val_y = split(x, y)\n"
                    "train_x, train_y = oversample(train_x, train_y)"
                ),
            ),
        ),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        objective = run.objective
        if objective is None or not objective.target_shape or not self._rows_are_unique(run):
            return
        groups: dict[tuple[str, int], list[Predictions]] = {}
        for one in run.evaluations(held_out=False):
            if one.training_rows is not None:
                groups.setdefault((one.objective, one.samples), []).append(one)
        for group in groups.values():
            finding = self._judge(run, objective, group)
            if finding is not None:
                yield finding
                return
        yield from self._twins(run)

    def _twins(self, run: Run) -> Iterator[Finding]:
        """Held-out rows that are noisy copies of training rows."""
        exam = run.exam("twins")
        if exam is None:
            return
        v = {name: float(value) for name, value in exam.values.items()}
        share = v["held_out"] - v["exact"]
        if share < self.near or v["training"] < self.both * v["held_out"]:
            return
        yield self.finding(
            f"{share:.0%} of {v['rows']:.0f} held-out samples have a near copy among "
            f"{v['known']:.0f} training samples.",
            Evidence(
                "exam",
                f"share of held-out rows with a training row far nearer than the neighbours around "
                f"them allow in {v['columns']:.0f} columns; chance gives under 1%",
                value=share,
                limit=self.near,
            ),
            severity="warning",
            confidence=0.8,
            first_step=0,
        )

    def _rows_are_unique(self, run: Run) -> bool:
        """Whether the inputs have so many values that equal rows are no accident."""
        return bool(run.inputs) and all(
            not i.embedded and not i.integral and math.prod(i.shape[1:]) >= self.values
            for i in run.inputs
        )

    @staticmethod
    def _covered(looks: Series, gap: int, step: int) -> float:
        """Share of the training rows that the probe has seen, were a gap between passes an epoch.

        The looks of the first epoch meet different rows; later ones meet any row.
        """
        if gap < 2:
            return 0.0
        first = len(looks.between(0, gap - 1)) / gap
        return max(first, 1 - (1 - 1 / gap) ** len(looks.between(0, step)))

    def _judge(self, run: Run, objective: Objective, group: list[Predictions]) -> Finding | None:
        share = float(np.median([p.training_rows or 0.0 for p in group]))
        same = [p for p in group if abs((p.training_rows or 0.0) - share) <= self.steady]
        if len(same) < max(self.passes, len(group) / 2):
            return None
        gap = int(np.median(np.diff([p.step for p in group])))
        between = gap * objective.target_shape[0]
        covered = self._covered(run.series(OBJECTIVE_LOSS, objective.site), gap, same[0].step)
        samples = group[0].samples
        distinct = max((i.samples * (1 - i.repeated_rows) for i in run.inputs), default=0.0)
        if (
            samples > self.size * min(between, distinct)
            or not self.low <= share <= self.known * covered
        ):
            return None
        return self.finding(
            f"{share:.0%} of the {samples} held-out samples are exact copies of training samples.",
            Evidence(
                "predictions",
                f"{share * samples:.0f} of {samples} rows were also trained on, the same in "
                f"{len(same)} "
                f"passes; about {between} rows are trained on between two passes",
                where=group[0].objective,
                steps=(same[0].step, same[-1].step),
                value=share,
                limit=self.low,
            ),
            severity="warning",
            confidence=0.85,
            where=group[0].objective,
            first_step=same[0].step,
        )
