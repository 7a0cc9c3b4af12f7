"""label-encoding: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Inputs, Objective, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY
from penlight.pitfalls._curves import progress

ZERO_ONE = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
PLUS_MINUS = ("soft_margin_loss", "hinge_embedding_loss")

UNMARKED = -100  # what torch's losses leave out unless told otherwise: nobody writes it by accident


class LabelEncoding(Pitfall):
    """The labels are coded in another way than the loss reads them.

    Two clerks share a form: one writes 1 for yes and 2 for no, the other reads 1 as yes and 0 as
    no. Every form is filled in carefully, and half of them mean nothing.

    ## What happens
    Binary cross-entropy reads a label as a probability: 0 or 1. A label of -1, 2 or 255 turns the
    loss into a slope without an end, it becomes negative and pushes the outputs ever further.
    Margin losses want -1 and 1: a 0 switches the sample off. For a cross-entropy, classes that
    start at 1 leave unit 0 without any example.

    ## Symptoms
    - A loss below zero that keeps falling, while accuracy does not improve.
    - All predictions fall on one side.
    - With a margin loss: one class contributes a constant and no gradient.

    ## Causes
    - Labels {1, 2}, {-1, 1} or {0, 255} (masks read from an image) taken as they are in the file.
    - A switch from a hinge loss to a cross-entropy, or back, without changing the labels.
    - A mask read from a picture, 0 and 255, where 255 is the number that the loss ignores.
    - A discriminator whose real and fake samples are both called 1.
    - Names turned into numbers on each part of the data anew: class 3 here is class 5 there.

    ## When not to worry
    Soft labels between 0 and 1, label smoothing, an unused class 0 for padding or background, and
    one-hot rows given to `CrossEntropyLoss` as floats.

    ## References
    - torch documentation of `BCEWithLogitsLoss`, `SoftMarginLoss`, `CrossEntropyLoss`.
    """

    family = "data"
    needs = (Objective, Targets, Inputs, Exam, ACCURACY)
    looks_like = {
        "loss-task-mismatch": (
            "A loss for another task stays wrong however the labels are numbered."
        ),
        "misaligned-labels": "Mixed-up labels have legal values at the wrong samples.",
    }
    samples: float = limit(
        16, why="two label values seen on this many samples are the coding, not an accident"
    )
    counted: float = limit(
        500, why="targets of one class alone: fewer may be chance where classes are rare"
    )
    gain: float = limit(
        0.3,
        why="of the held-out rows are right once the answers are renumbered, on rows that the new "
        "numbers were not chosen on: 0 where both parts number alike, up to chance",
    )
    sigmas: float = limit(4.0, why="standard errors of that share: one chance in 30,000")
    _renumber = (
        Prescription(
            "Make the table from name to number once, on the training part (or from a sorted list "
            "of all names), and use it for every part.",
            "A number means another class where the table was made anew.",
        ),
    )
    prescriptions = (
        Prescription(
            "Recode before training: y = (y == positive_label).float().",
            "Binary cross-entropy expects 0 and 1.",
            edits=("recode-labels",),
        ),
    )
    _both = (
        Prescription(
            "Ask for 0 where the sample is a negative one: "
            "`bce(logits_fake, torch.zeros_like(logits_fake))` in a discriminator's loss.",
            "With one answer for everything the cheapest network is one that does not look.",
        ),
    )
    _signs = (
        Prescription(
            "Recode before training: y = 2 * y - 1.",
            "Margin losses expect -1 and 1: with 0 the sample has no say.",
            edits=("recode-labels",),
        ),
    )
    _count = (
        Prescription(
            "Give each class its own number, from 0: mask = (mask > 0).long() for a mask of 0 and "
            "255.",
            "Pictures hold 255 where a mask is set, and 255 is what segmentation losses ignore.",
            "the other class is not marked at all: then it takes another loss",
            edits=("recode-labels",),
        ),
    )
    _shift = (
        Prescription(
            "Shift the labels to start at 0: y = y - 1, with one output unit less.",
            "Unit 0 would never be right.",
            "class 0 is reserved for padding or background",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
n = 2000
x = torch.randn(n, 5)
positive = (x[:, 0] + x[:, 1] * x[:, 2] + 0.3 * torch.randn(n)) > 0.7
diagnosis = torch.where(positive, 2, 1)  # as in the file: 1 = healthy, 2 = ill
y = diagnosis.float().unsqueeze(1)
train_x, train_y, val_x, val_y = x[:1500], y[:1500], x[1500:], y[1500:]

model = nn.Sequential(nn.Linear(5, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(8):
    model.train()
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(val_x)
        val_loss = criterion(logits, val_y).item()
        found = logits[:, 0] > 0
        accuracy = (found == positive[1500:]).float().mean().item()
    print(f"epoch {epoch}: validation loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("y = diagnosis.float().unsqueeze(1)", "y = (diagnosis == 2).float().unsqueeze(1)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        yield from self._renumbered(run)
        yield from self._one_answer(run)
        for objective in run.objectives:
            targets = run.targets(objective)
            if targets is None or not targets.integral or targets.samples < self.samples:
                continue
            low, high = targets.min, targets.max
            two = targets.distinct == 2
            if objective.function in ZERO_ONE and two and (low, high) != (0, 1):
                yield self._misread(
                    objective, targets, "0 and 1", "the loss has no minimum", self.prescriptions
                )
            elif objective.function in PLUS_MINUS and two and (low, high) == (0, 1):
                yield self._misread(
                    objective, targets, "-1 and 1", "label 0 has no effect", self._signs
                )
            elif self._all_else_ignored(objective, targets):
                yield self._left_out(objective, targets)
            elif objective.function == "cross_entropy" and self._starts_at_one(
                run, objective, targets
            ):
                yield self._shifted(objective, targets)

    def _renumbered(self, run: Run) -> Iterator[Finding]:
        """Held-out answers that are right as soon as the classes get other numbers."""
        exam = run.exam("numbering")
        if exam is None:
            return
        right, read, rows = (float(exam.values[k]) for k in ("right", "read", "rows"))
        least = max(self.gain, self.sigmas * math.sqrt(0.5 / max(rows, 1)))
        if int(exam.values["moved"]) < 2 or read - right < least:
            return
        if not self._knows(run, read - self.gain):
            return  # the training rows are named wrongly, too
        other = [f"{a} as {b}" for a, b in exam.values["as"].items() if int(a) != b]
        yield self.finding(
            "The classes of the held-out rows are numbered in another way than those of the "
            f"training rows: {right:.0%} of the answers are right, and {read:.0%} when "
            f"{', '.join(other[:3])}{', ...' if len(other) > 3 else ''} are read.",
            Evidence(
                "exam",
                f"of {int(rows)} held-out rows on which the new numbers were not chosen",
                value=read - right,
                limit=least,
            ),
            confidence=0.95,
            first_step=0,
            prescriptions=self._renumber,
        )

    def _one_answer(self, run: Run) -> Iterator[Finding]:
        """Several binary losses that all ask for the same: no side of a GAN is called false.

        One loss alone may be half of an objective whose other half is written by hand. A minus
        before the logits asks for the opposite.
        """
        sites = [o for o in run.objectives if o.calls and o.function in ZERO_ONE]
        told = [t for o in sites if (t := run.targets(o)) is not None]
        values = {v for t in told for v in (t.min, t.max)}
        negated = any(o.input_op.startswith(("Neg", "Rsub")) for o in sites)
        rows = sum(t.samples for t in told)
        if negated or len(sites) < 2 or len(told) < len(sites) or rows < self.samples:
            return
        if values not in ({0.0}, {1.0}):
            return
        (value,) = values
        places = ", ".join(o.source for o in sites[:3] if o.source)
        yield self.finding(
            f"All {len(sites)} binary losses of this training ask for {value:.0f}, for each of "
            f"{rows:,} targets: nothing is ever called {1 - value:.0f}, so there is nothing to "
            "tell apart.",
            Evidence(
                "targets",
                f"each target is {value:.0f} at {places or 'each of them'}",
                where=sites[0].site,
                value=value,
            ),
            confidence=0.95,
            where=sites[0].site,
            source=sites[0].source,
            first_step=0,
            prescriptions=self._both,
        )

    def _knows(self, run: Run, share: float) -> bool:
        """Whether late training rows are named rightly; by the loss where no answers are known."""
        answers = run.series(ACCURACY, run.objective.site if run.objective else "").finite
        late = answers.between(run.steps / 2, run.steps)
        if late:
            return float(np.mean(late.values)) >= share
        seen = progress(run)
        if seen is None or seen.learnt is None:
            return not answers  # nothing speaks against it
        return seen.learnt >= share

    def _all_else_ignored(self, objective: Objective, targets: Targets) -> bool:
        """Whether one class is left, and the script itself chose the number of those left out."""
        chosen = objective.ignore_index not in (None, UNMARKED)
        one = sum(map(bool, targets.classes)) == 1
        return chosen and one and targets.ignored > 0 and targets.samples >= self.counted

    def _left_out(self, objective: Objective, targets: Targets) -> Finding:
        """All that is not one class has the number that the loss ignores."""
        return self.finding(
            f"All targets that count are class {targets.max:g}. The others are "
            f"{objective.ignore_index}, the number that the loss leaves out: any model that always "
            f"says {targets.max:g} is right.",
            Evidence(
                "targets",
                f"{targets.ignored:.1%} of the targets are ignore_index, all of the other "
                f"{targets.samples:,} that were counted are {targets.max:g}",
                where=objective.site,
                value=targets.ignored,
                limit=0,
            ),
            confidence=0.95,
            exact=True,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._count,
        )

    def _misread(
        self,
        objective: Objective,
        targets: Targets,
        wanted: str,
        effect: str,
        cure: tuple[Prescription, ...],
    ) -> Finding:
        return self.finding(
            f"The labels are {targets.min:g} and {targets.max:g}, but {objective.function} reads "
            f"them as {wanted}: {effect}.",
            Evidence(
                "targets",
                f"two values, {targets.min:g} and {targets.max:g}, on {targets.samples} samples",
                where=objective.site,
                value=targets.max if targets.max > 1 else targets.min,
                limit=1 if targets.max > 1 else 0,
            ),
            confidence=0.99,
            exact=True,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=cure,
        )

    @staticmethod
    def _starts_at_one(run: Run, objective: Objective, targets: Targets) -> bool:
        """Whether all classes from 1 on occur, and 0 has a unit but no sample."""
        units = objective.input_shape[1] if len(objective.input_shape) > 1 else 0
        return (
            len(targets.classes) == units > 2
            and targets.classes[0] == 0
            and all(targets.classes[1:])
            and objective.ignore_index != 0
            and not any(i.embedded for i in run.inputs)
        )

    def _shifted(self, objective: Objective, targets: Targets) -> Finding:
        top = len(targets.classes) - 1
        return self.finding(
            f"The labels run from 1 to {top}, so output unit 0 is never right.",
            Evidence(
                "targets",
                f"no sample of class 0 among {targets.samples}, every class from 1 to {top} occurs",
                where=objective.site,
                value=0,
            ),
            severity="note",
            confidence=0.8,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._shift,
        )
