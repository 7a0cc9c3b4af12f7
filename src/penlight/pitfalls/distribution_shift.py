"""distribution-shift: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import AskedColumns, Exam, Inputs, Predictions, Scales, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.pitfalls._curves import progress
from penlight.pitfalls._evaluations import held_out_passes
from penlight.pitfalls._shift import SIGMAS, shift


class DistributionShift(Pitfall):
    """The held-out rows come from another world than the training rows.

    Practising tennis on clay all year and playing the match on ice: the strokes are right, the
    ground is not.

    ## What happens
    The model learns what holds for its training rows. Where held-out rows were scaled, cleaned or
    collected in another way, the same numbers mean something else there, and what was learnt
    does not apply. More training does not help: the model gets better at another task.

    ## Symptoms
    - A gap between training and held-out score that is there from the first epoch on.
    - Held-out score near chance although a simple model does well on the held-out rows alone.
    - Batch-norm layers that make evaluation worse still.

    ## Causes
    - The scaler was fitted and applied on one part only, or fitted anew on each part.
    - `ToTensor` on one side (0..1) and raw bytes (0..255) on the other.
    - Other devices, places, years or users in the held-out part.
    - Rows sorted by label and cut in two, so that the held-out part is of one class.

    ## When not to worry
    Augmented training rows differ from clean held-out rows on purpose. That is no fault as long
    as the model does well on the clean ones, and it is not reported then. A held-out part from a
    later time or another place that stands for the real use is an honest test: the shift is the
    task. Nor is it told where training sees such rows as well, without their targets, as to adapt
    from one domain to another. Penlight compares rows as they enter the model, of at most 4096
    numbers each, and not rows of tokens.

    ## References
    - D. Lopez-Paz and M. Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017.
    - J. Tobin, Troubleshooting Deep Neural Networks (Full Stack Deep Learning).
    """

    family = "generalisation"
    stands_alone = True
    needs = (Exam, Predictions, Inputs, Scales, AskedColumns, Targets)
    caused_by = ("nonfinite-or-corrupt-data",)
    looks_like = {
        "fine-tune-mismatch": (
            "A model from elsewhere is at odds with both parts, which are alike."
        ),
        "augmentation-breaks-labels": (
            "An augmentation changes the training rows at random: no row ever comes again."
        ),
        "overfitting": (
            "Overfitting needs no difference between the rows, and its gap grows with time."
        ),
        "train-val-leakage": "A leak makes held-out rows too easy, not too hard.",
    }
    harm: float = limit(
        0.1,
        why="errors per row (or share of the variance) between what a small learner makes of "
        "held-out rows after training rows and after held-out rows: with scaled or shifted rows "
        "of the demo 0.3 to 0.5, on healthy scripts with rows of one kind under 0.05",
    )
    severe: float = limit(
        0.2,
        why="errors per row lost, or won by another scale: more than a fifth of all answers is "
        "beyond tuning",
    )
    moved_on: float = limit(
        3.0,
        why="loss of the last weights on the first batches over that on the newest: on one set of "
        "data 0.8 to 1.2, after a change of the training data itself over 100",
    )
    usual: float = limit(
        0.1, why="share of the training rows from which on a class would be met among held-out rows"
    )
    many: float = limit(
        50, why="held-out rows: of so many drawn by lot, none is of a class with a tenth of all "
        "rows once in two hundred times"
    )  # fmt: skip
    known: float = limit(
        8,
        why="batches of one range, in training or without gradient: it is then met. Of a training "
        "on a busy machine seven were looked at, and 25 of its evaluations",
    )
    alike: float = limit(
        4.0,
        why="largest over smallest batch of another size: a missing division is the same for all, "
        "while a sampler on its way from noise to data meets many sizes",
    )
    standard: float = limit(
        0.05,
        why="of a column's mean from 0 and its spread from 1, beside the error of the rows that "
        "were looked at: what a scaler makes, and hardly anything else does",
    )
    copes: float = limit(
        3.0,
        why="held-out loss over training loss: up to that an ordinary gap, and no harm of the size",
    )
    prescriptions = (
        Prescription(
            "Send both parts through one function: fit the scaler on the training part, and apply "
            "this same scaler to every part.",
            "A number then means the same on both sides.",
            edits=("same-scale",),
        ),
        Prescription(
            "Print mean, standard deviation, least and greatest value of one batch of each part, "
            "as they enter the model.",
            "Most mismatches of preprocessing show there at once.",
        ),
        Prescription(
            "Shuffle before splitting, or collect held-out rows like those of the real use.",
            "A split by file, day or place compares two worlds.",
            "the later day or the other place is what the model is for",
        ),
    )
    _by_label = (
        Prescription(
            "Shuffle before splitting: order = torch.randperm(len(x)); x, y = x[order], y[order].",
            "Each part then has rows of every class. Keras' validation_split, too, takes the last "
            "rows before it shuffles.",
            edits=("shuffle-first",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 4
centres = torch.randn(classes, 20)
labels = torch.randint(0, classes, (1600,))
features = 50 + 12 * (centres[labels] + torch.randn(1600, 20))  # as the sensors give them
train_x, train_y, val_x, val_y = features[:800], labels[:800], features[800:], labels[800:]

mean, std = train_x.mean(0), train_x.std(0)
train_x = (train_x - mean) / std
val_x = val_x / std

model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, classes))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(10):
    model.train()
    for rows in torch.randperm(800).split(40):
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

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("val_x = val_x / std", "val_x = (val_x - mean) / std"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        one_sided = self._one_sided(run)
        if one_sided is not None:
            yield one_sided
            return
        rescaled = self._rescaled(run)
        if rescaled is not None:
            yield rescaled
            return
        asked = next(filter(None, (self._asked(run, x) for x in run.all(Scales))), None)
        if asked is not None:
            yield asked
            return
        raw = next(filter(None, (self._raw(x) for x in run.all(AskedColumns))), None)
        if raw is not None:
            yield raw
            return
        seen = shift(run)
        if seen is None or not seen.told_apart or seen.shown or seen.drawn_anew:
            return
        if seen.unrelated or not seen.lost or not seen.beaten or self._left_behind(run):
            return  # unrelated: nothing is learnt that could fail elsewhere
        lost = seen.outside - seen.own
        yield self.finding(
            self._says(run),
            *seen.evidence,
            *self._first_look(run),
            severity="critical" if lost > self.severe else "warning",
            confidence=0.9,
            first_step=0,
        )

    def _one_sided(self, run: Run) -> Finding | None:
        """Held-out rows of one class alone, as a split of sorted rows leaves them."""
        objective = run.objective
        if objective is None or objective.target_shape[1:] not in ((), (1,)):
            return None  # of masks and sequences only a part is counted
        if len(run.optimizers) > 1:
            return None  # a network that judges another one's work may be shown one kind alone
        targets = run.targets(objective)
        shown = np.array(targets.classes if targets is not None else (), np.int64)
        labels = [p.labels for passes in held_out_passes(run) for p in passes if any(p.labels)]
        if shown.sum() == 0:
            return None
        alone = [x for x in labels if sum(map(bool, x)) == 1 and sum(x) >= self.many]
        classes = {next(c for c, count in enumerate(x) if count) for x in alone}
        if len(classes) != 1 or 2 * len(alone) < len(labels):
            return None  # each class may have its own pass
        only, rows = classes.pop(), max(map(sum, alone))
        share = shown[only] / shown.sum() if only < len(shown) else 0.0
        both = np.sum(shown >= self.usual * shown.sum()) > 1
        if share > 1 - self.usual or not (both or share == 0.0):
            return None
        return self.finding(
            f"All {rows} held-out rows are of class {only}, to which {share:.0%} of the training "
            "rows belong: the rows were split in the order of their labels.",
            Evidence(
                "predictions",
                f"labels of {len(alone)} held-out passes: class {only} and no other; of the "
                f"training rows {share:.0%}",
                value=1.0,
                limit=float(share),
            ),
            severity="critical",
            confidence=0.95,
            first_step=0,
            prescriptions=self._by_label,
        )

    def _rescaled(self, run: Run) -> Finding | None:
        """Held-out rows that the model knows as soon as they have the scale of the training."""
        exam = run.exam("rescaled")
        if exam is None:
            return None
        own, better = float(exam.values["own"]), float(exam.values["rescaled"])
        rows = float(exam.values["rows"])
        error = math.sqrt(max(own * (1 - own) + better * (1 - better), 0.01) / rows)
        if own - better < max(self.severe, SIGMAS * error):
            return None
        (mean, held_mean), (std, held_std) = exam.values["mean"], exam.values["std"]
        return self.finding(
            f"Held-out rows come on another scale than training rows: mean {held_mean:.3g} and "
            f"standard deviation {held_std:.3g}, where training rows have {mean:.3g} and "
            f"{std:.3g}. Moved to that scale, the model names {1 - better:.0%} of them rightly "
            f"instead of {1 - own:.0%}.",
            Evidence(
                "exam",
                f"{own:.0%} of {rows:.0f} held-out rows are named wrongly, {better:.0%} of them "
                "once each feature has the mean and the spread that it has in training",
                value=own,
                limit=better + self.severe,
            ),
            severity="critical",
            confidence=0.97,
            first_step=0,
            prescriptions=self.prescriptions[:2],
        )

    def _asked(self, run: Run, seen: Scales) -> Finding | None:
        """Rows of another size, as of pictures that are divided by 255 in training alone."""
        if seen.batches + seen.usual < self.known or seen.rows < self.many or seen.between:
            return None
        if seen.high > self.alike * seen.low or any(i.normalised_first for i in run.inputs):
            return None
        if not seen.usual and self._copes(run):
            return None
        larger = seen.low > seen.trained_high
        times = seen.low / seen.trained_high if larger else seen.trained_low / seen.high
        return self.finding(
            f"{seen.rows:,} rows were given to the trained model that are {times:.0f} times "
            f"{'larger' if larger else 'smaller'} than all that it was trained on: what it says "
            "of them means nothing.",
            Evidence(
                "scales",
                f"root mean square {seen.low:.3g} to {seen.high:.3g} in {seen.far} batches, and "
                f"{seen.trained_low:.3g} to {seen.trained_high:.3g} in training; {seen.usual} "
                "other batches without gradient had the size of the training",
                value=times,
            ),
            severity="critical",
            confidence=0.93,
            where=seen.root,
            first_step=seen.step,
            prescriptions=self.prescriptions[:2],
        )

    def _raw(self, seen: AskedColumns) -> Finding | None:
        """Columns that a scaler has touched in training, and not where the model is asked."""
        error = SIGMAS / math.sqrt(max(seen.trained, 1))
        centred = seen.trained_mean < self.standard + error
        scaled = 1 - self.standard - error < seen.trained_low
        scaled = scaled and seen.trained_high < 1 + self.standard + error
        if not (centred and scaled) or seen.usual or seen.between or seen.rows < self.many:
            return None
        return self.finding(
            f"The model was trained on standardised columns, and the {seen.rows:,} rows that it "
            f"was asked about afterwards are not: their columns have a mean of {seen.mean:.3g} and "
            f"a standard deviation of {seen.std:.3g}, where in training each has 0 and 1.",
            Evidence(
                "asked_columns",
                f"four of five or more of the {seen.columns} columns have another mean and another "
                "spread wherever the model was asked without gradient; in training "
                f"means within {seen.trained_mean:.2g} of 0, spreads from {seen.trained_low:.2g} "
                f"to {seen.trained_high:.2g}",
            ),
            severity="critical",
            confidence=0.9,
            where=seen.root,
            first_step=seen.step,
            prescriptions=self.prescriptions[:2],
        )

    def _copes(self, run: Run) -> bool:
        """Whether the held-out loss is as good as that of the training, whatever the size."""
        passes, seen = next(iter(held_out_passes(run)), []), progress(run)
        if not passes or passes[-1].loss is None or seen is None:
            return False
        return passes[-1].loss <= max(self.copes * seen.end, seen.end)

    def _left_behind(self, run: Run) -> bool:
        """Whether the training itself has moved on to other data, and forgot the first ones."""
        exam = run.exam("forgotten")
        if exam is None:
            return False
        return bool(exam.values["first"] > self.moved_on * exam.values["last"] + 0.05)

    @staticmethod
    def _says(run: Run) -> str:
        values = exam.values if (exam := run.exam("shift")) is not None else {}
        (mean, held_mean), (std, held_std) = values["mean"], values["std"]
        kind = ""
        if abs(held_mean - mean) > 0.5 * std or not 0.67 < held_std / max(std, 1e-12) < 1.5:
            kind = (
                f": training rows have mean {mean:.3g} and standard deviation {std:.3g}, held-out "
                f"rows {held_mean:.3g} and {held_std:.3g}"
            )
        return (
            f"Held-out rows are of another kind than training rows{kind}. What is learnt from the "
            "one does not hold for the other."
        )

    @staticmethod
    def _first_look(run: Run) -> tuple[Evidence, ...]:
        """The column that moved most, where the rows are plain tables."""
        exam = run.exam("shift")
        table = run.inputs and len(run.inputs[0].shape) == 2
        if exam is None or not table:
            return ()
        return (
            Evidence(
                "exam",
                f"column {exam.values['column']} moved most, by {exam.values['moved']:.2g} of its "
                "standard deviation",
                value=abs(float(exam.values["moved"])),
            ),
        )
