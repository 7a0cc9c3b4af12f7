"""bn-stale-or-small-batch: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Exam, Module, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.pitfalls._curves import chance_loss, progress


class BnStaleOrSmallBatch(Pitfall):
    """Batch norm works with statistics that say little: of two samples, or of long ago.

    Marking on a curve in a class of two: one pupil is always the better half and the other the
    worse, whatever they know. And next year's class is marked on the curve of these two.

    ## What happens
    In training batch norm subtracts the batch's mean and divides by its spread. Of two numbers
    only the sign of their difference survives that: each becomes 1 or -1. For evaluation it keeps
    running averages, which move by `momentum` towards each batch: with a tiny momentum they are
    still at their start when the run ends, with one near 1 they are those of the last batch.

    ## Symptoms
    - Training loss and evaluation loss differ widely on the same samples.
    - The training loss is noisy and has a floor that larger batches do not have.
    - Predictions change with the company a sample keeps.

    ## Causes
    - A batch size of 1 to 4, or small micro-batches in gradient accumulation.
    - A last batch with one or two samples (`drop_last=True` leaves it out).
    - `momentum=0.99` copied from Keras, whose momentum is 1 minus that of torch.

    ## When not to worry
    Convolutions average over the pixels as well: two images of 32 x 32 are 2,048 numbers a channel.
    A difference between the two modes that comes from dropout is wanted.

    ## References
    - Y. Wu and K. He, Group Normalization, ECCV 2018: the error of batch norm at small batches.
    - S. Ioffe, Batch Renormalization, NeurIPS 2017.
    """

    family = "loop bug"
    needs = (Module, Exam, Targets)
    caused_by = ("lr-too-high", "eval-mode-forgotten", "cross-sample-leak", "nonfinite-loss")
    looks_like = {
        "cross-sample-leak": "Samples that leak into each other do so in evaluation mode, too.",
        "dropout-norm-misuse": (
            "Dropout behind the last layer makes the modes differ without any batch norm."
        ),
        "eval-mode-forgotten": (
            "A forgotten `eval()` shows as batch norm in training mode while the model is judged."
        ),
        "overfitting": "Overfitting is a difference between two sets of data, in the same mode.",
    }
    numbers: float = limit(
        8,
        why="numbers a channel in one batch: the spread of 8 is known to a quarter, and 1/sqrt(2n) "
        "of it grows fast below",
    )
    apart: float = limit(
        0.05,
        why="of the loss of guessing, by which the two modes differ on the same batches: 0.0005 "
        "with batches of 32 (benchmarks/published, TYP-bn-batch-2 fixed), 0.09 to 0.4 with two; "
        "it is measured on a few batches only",
    )
    lasting: float = limit(
        0.5, why="torch's momentum: above it the running statistics are those of one or two batches"
    )
    settled: float = limit(
        3, why="momentum x steps: after three time constants 5% of the start values are left"
    )
    learnt: float = limit(
        0.8, why="share of what there is to learn: a run beyond it has not suffered in training"
    )
    steps: float = limit(50, why="of a run that is judged: a model that was never trained has none")
    _move = (
        Prescription(
            "Move the running statistics in each training pass: running += momentum * (batch - "
            "running). Take nn.BatchNorm, which does so, with its momentum at 0.1.",
            "Evaluation mode normalises with these statistics, and they must be those of the data.",
            edits=("norm-momentum",),
        ),
    )
    prescriptions = (
        Prescription(
            "Make the batches larger, 32 at least, with drop_last=True for the rest.",
            "Mean and spread of 32 samples are worth something.",
            "memory does not allow it",
            edits=("batch-size",),
        ),
        Prescription(
            "Or use nn.GroupNorm or nn.LayerNorm instead of batch norm.",
            "They look at one sample at a time and are the same in both modes.",
        ),
        Prescription(
            "Leave the momentum of nn.BatchNorm at 0.1.",
            "The running statistics then are an average over the last ten or twenty batches.",
            "it is 0.1 already",
            edits=("norm-momentum",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
batch_size = 2
classes = 10
centres = 0.8 * torch.randn(classes, 16)
labels = torch.randint(0, classes, (1400,))
features = centres[labels] + torch.randn(1400, 16)
train_x, train_y, val_x, val_y = features[:800], labels[:800], features[800:], labels[800:]

model = nn.Sequential(
    nn.Linear(16, 32),
    nn.BatchNorm1d(32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.BatchNorm1d(32),
    nn.ReLU(),
    nn.Linear(32, classes),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(4):
    model.train()
    for rows in torch.randperm(800).split(batch_size):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = loss_fn(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: train {loss.item():.3f}, val {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "validation loss", "value": val_loss}))
""",
        cure=(("batch_size = 2\n", "batch_size = 32\n"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        found = self._never_moved(run)
        if found is not None:
            yield found
            return
        norms = [m for m in run.modules if m.type.startswith("BatchNorm") and m.output_shape]
        modes, chance, seen = run.exam("modes"), chance_loss(run), progress(run)
        dropping = any("Dropout" in m.type and m.settings.get("p", 0) for m in run.modules)
        if not norms or modes is None or not chance or seen is None:
            return
        train, evaluation = float(modes.values["train"]), float(modes.values["eval"])
        if not abs(evaluation - train) > self.apart * chance:  # False for NaN
            return
        small = min(norms, key=_numbers)
        if not dropping and _numbers(small) < self.numbers and (seen.learnt or 0.0) < self.learnt:
            count = _numbers(small)
            yield self._finding(
                small,
                f"{small.name} normalises over {count} number{'s' if count != 1 else ''} a channel",
                "with so few of them batch norm deletes most of what it is given",
                Evidence("module", f"its output is {small.output_shape}", small.name, None,
                         count, self.numbers),
                (train, evaluation),
            )  # fmt: skip
            return
        for norm in norms:  # dropout makes the loss in training mode the higher one
            momentum = norm.settings.get("momentum")
            if evaluation <= train or not isinstance(momentum, (int, float)):
                continue
            if momentum * run.steps < self.settled or momentum > self.lasting:
                limit_ = self.lasting if momentum > self.lasting else self.settled / run.steps
                stale = "are still young" if momentum else "never move"
                if momentum > self.lasting:
                    stale = "are those of the last batch or two"
                yield self._finding(
                    norm,
                    f"With momentum={momentum:g} the running statistics of {norm.name} {stale}",
                    "they do not fit the data that it normalises in evaluation mode",
                    Evidence("module", f"momentum {momentum:g}, {run.steps} steps", norm.name, None,
                             momentum, limit_),
                    (train, evaluation),
                    (self.prescriptions[2], self.prescriptions[1]),
                )  # fmt: skip
                return

    def _never_moved(self, run: Run) -> Finding | None:
        """A model that trains in training mode and is judged by statistics that no batch moved."""
        seen = run.hygiene
        trained = seen.train_eval_mode == 0 and run.steps >= self.steps
        fresh = [
            m
            for m in run.modules
            if m.name.removeprefix(f"{m.root}.") in seen.fresh_norms and m.settings.get("training")
        ]
        if not fresh or not seen.eval_eval_mode or not trained:
            return None
        name = fresh[0].name
        return self.finding(
            f"The running statistics of {name} are still 0 and 1 after {run.steps} training steps: "
            "nothing moves them, and in evaluation mode it hands on what it is given as it is.",
            Evidence(
                "hygiene",
                f"running mean 0 and variance 1 at the end in {len(fresh)} batch norms, "
                f"{seen.eval_eval_mode} gradient-free passes in evaluation mode looked at",
                where=name,
                value=len(fresh),
                limit=0,
            ),
            confidence=0.95,
            exact=True,
            where=name,
            source=fresh[0].source,
            first_step=0,
            prescriptions=self._move,
        )

    def _finding(
        self,
        norm: Module,
        says: str,
        so: str,
        evidence: Evidence,
        losses: tuple[float, float],
        prescriptions: tuple[Prescription, ...] | None = None,
    ) -> Finding:
        return self.finding(
            f"{says}: {so}.",
            evidence,
            Evidence(
                "modes",
                f"on the same training batches the loss is {losses[0]:.3g} in training mode and "
                f"{losses[1]:.3g} in evaluation mode",
                where=norm.name,
                value=abs(losses[1] - losses[0]),
            ),
            severity="warning",
            confidence=0.85,
            where=norm.name,
            source=norm.source,
            first_step=0,
            prescriptions=prescriptions,
        )


def _numbers(norm: Module) -> int:
    """Numbers a channel in one batch."""
    channels = norm.output_shape[-1 if norm.type == "BatchNormalization" else 1]  # Keras': last
    return math.prod(norm.output_shape) // max(channels, 1)
