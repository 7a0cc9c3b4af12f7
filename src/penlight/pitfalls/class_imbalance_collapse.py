"""class-imbalance-collapse: see the card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penlight.core.facts import Objective, Predictions, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import entropy, progress
from penlight.pitfalls._evaluations import held_out_passes

Tallies = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Labels, predictions and hits per class over some late passes or windows."""

    labels: Tallies
    predicted: Tallies
    correct: Tallies
    passes: Tallies  # in how many of them a class has come
    held_out: bool
    first: int
    last: int

    @property
    def total(self) -> int:
        return int(self.labels.sum())


class ClassImbalanceCollapse(Pitfall):
    """Rare classes are never predicted: naming the frequent one is good enough.

    A smoke alarm that never rings is right on 99.9% of all days, and useless on the one that
    counts.

    ## What happens
    The loss is a mean over samples, so a class with 2% of the samples has 2% of the say. As long
    as the scores of the rare class do not pass those of the frequent one, the prediction is
    always the same, and accuracy equals the share of the frequent class.

    ## Symptoms
    - Accuracy equals the share of the most frequent class, from the first epoch on.
    - Recall of a class is zero; the confusion matrix has an empty column.
    - A balanced test set gives a far worse accuracy than training.

    ## Causes
    - A plain mean over very unequal classes, with accuracy as the only metric.
    - Data collected as it came, without balancing, though the rare class is what matters.

    ## When not to worry
    If you use the scores and not the decisions (ranking, click rates), a model that never passes
    one half can be the best there is: look at AUC or average precision. Language models have
    thousands of rare tokens and are left out here.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks (2019): initialise well, imbalanced data.
    - H. He and E. Garcia, Learning from Imbalanced Data, IEEE TKDE 2009.
    """

    family = "data"
    needs = (Predictions, Targets, LOSS, OBJECTIVE_LOSS)
    caused_by = (
        "single-unit-softmax",
        "lr-too-high",
        "lr-too-low",
        "dying-relu",
        "symmetric-init",
        "vanishing-gradient",
        "forward-collapse",
        "no-information-from-input",
        "missing-zero-grad",
        "params-not-optimised",
        "gradient-cut",
        "label-encoding",
    )
    looks_like = {
        "no-information-from-input": (
            "Without information in the input the scores are the same for all samples, and the "
            "loss stops at the entropy of the labels."
        ),
        "output-units-mismatch": (
            "With too few output units some classes have no unit, so no training could name them."
        ),
        "padding-in-loss": "Padding stands only behind the end of short rows.",
        "single-unit-softmax": (
            "A softmax over one unit gives exactly 1 for every sample, whatever the classes' "
            "shares."
        ),
    }
    majority: float = limit(
        0.8,
        why="share of the frequent class above which accuracy hides the others: at 80% a guess is "
        "wrong on one sample in five only; below it a constant answer has other causes first",
    )
    ratio: float = limit(
        20.0,
        why="samples of the most frequent class for one of a neglected class; mild imbalance up to "
        "1 : 10 was survived by the digit nets of the published cases, 1 : 64 and beyond was not",
    )
    rarest: float = limit(
        10.0,
        why="samples of the neglected classes together: a recall of 30% would have hit at least "
        "one of 10 with probability 97%",
    )
    pictures: float = limit(
        3,
        why="looks at pixels or tokens in which a class came: those of one picture are one object",
    )
    seldom: float = limit(
        0.1,
        why="recall of the rare one of two classes: nine in ten missed is as good as all; sound "
        "runs on tables with 2% to 10% of it found a half and more",
    )
    enough: float = limit(
        30.0, why="samples of the rare class from which on a recall under a tenth is no chance"
    )
    classes: float = limit(
        100.0, why="beyond it most classes are rare by nature, as words in a language model are"
    )
    informed: float = limit(
        0.05,
        why="share of the entropy learnt: the scores do tell the classes apart; below it the model "
        "knows nothing yet, and that has other causes",
    )
    served: float = limit(
        0.8,
        why="recall on the other classes: they are learnt, so the run is long enough for the rare "
        "ones to show as well",
    )
    uneven: float = limit(
        4.0,
        why="samples of the most frequent class for one of the rarest: below it weights matter "
        "little",
    )
    against: float = limit(
        2.0,
        why="weight of the most frequent class over that of the rarest: weights against imbalance "
        "are at most 1 here, and small differences are a matter of taste",
    )
    left_out: float = limit(
        0.2,
        why="share of the training rows whose class weighs nothing in the loss: padding and void "
        "are left out on purpose, but not one whole sample in five",
    )
    begun: float = limit(
        0.3, why="of the run: what is answered before says little of what is answered at the end"
    )
    luck: float = limit(
        0.05, why="of the newest rows: by how much the shares of classes differ in a few batches"
    )
    _weigh_all = (
        Prescription(
            "Give every class a weight above zero: total / (classes * counts), or one more than "
            "the logarithm of a ratio, which is 0 for the most frequent class.",
            "What weighs nothing is never learnt.",
            "these rows have no label: then leave them out of the batches",
            edits=("class-weights",),
        ),
    )
    prescriptions = (
        Prescription(
            "Look at recall per class, balanced accuracy or AUC, not at accuracy.",
            "Accuracy is blind to a class with few samples.",
        ),
        Prescription(
            "Weight the loss: CrossEntropyLoss(weight=total / (classes * counts)), or "
            "BCEWithLogitsLoss(pos_weight=negatives / positives).",
            "Then every class has the same say.",
            "you need calibrated probabilities: then move the decision threshold instead",
            edits=("class-weights",),
        ),
        Prescription(
            "Or draw balanced batches: WeightedRandomSampler(1 / counts[labels], len(labels)).",
            "The rare class appears in every batch.",
            "it has so few samples that they would be learnt by heart",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
fraud = (torch.rand(6000) < 0.03).long()
payments = torch.randn(6000, 8)
payments[:, :3] += 0.8 * fraud[:, None]
train_x, train_y, test_x, test_y = payments[:4000], fraud[:4000], payments[4000:], fraud[4000:]

model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
criterion = nn.CrossEntropyLoss()

for epoch in range(8):
    model.train()
    for rows in torch.randperm(4000).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(test_x)
        test_loss = criterion(scores, test_y).item()
        answers = scores.argmax(1)
    accuracy = (answers == test_y).float().mean().item()
    recall = [(answers[test_y == c] == c).float().mean().item() for c in (0, 1)]
    print(f"epoch {epoch}: test loss {test_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "balanced accuracy", "value": sum(recall) / 2}))
""",
        cure=(
            (
                "nn.CrossEntropyLoss()",
                "nn.CrossEntropyLoss(weight=4000 / (2 * train_y.bincount().float()))",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        if run.objective is None:
            return
        if run.objective.weighted:
            ignored = self._ignored(run, run.objective)
            yield from self._turned(run, run.objective) if ignored is None else (ignored,)
            return
        counts = self._late(run)
        if counts is None or not 2 <= len(counts.labels) <= self.classes:
            return
        if _tokens(run, run.objective):
            return
        top = int(counts.labels.argmax())
        share = counts.labels[top] / counts.total
        rare = counts.total - int(counts.labels[top])
        constant = int(counts.predicted[top]) == int(counts.predicted.sum())
        found = int(counts.correct.sum() - counts.correct[top])
        if constant or (len(counts.labels) == 2 and found <= self.seldom * rare):
            if share >= self.majority and rare >= (self.rarest if constant else self.enough):
                yield self._collapsed(run, counts, top, float(share))
            return
        learnt = _learnt_from(run, counts)
        # What the loss was never shown is no rare class: padding that it leaves out, or a new one.
        shown = (learnt > 0) & (counts.labels > 0)
        scarce = shown & (learnt * self.ratio <= learnt.max())
        dense = len(run.objective.target_shape) > 1 and not counts.held_out
        often = counts.passes >= (self.pictures if dense else 1)
        neglected = np.flatnonzero(scarce & often & (counts.correct == 0))
        usual = shown & ~scarce
        served = counts.correct[usual].sum() / max(counts.labels[usual].sum(), 1)
        if counts.labels[neglected].sum() >= self.rarest and served >= self.served:
            yield self._neglected(counts, learnt, neglected, float(served))

    def _ignored(self, run: Run, objective: Objective) -> Finding | None:
        """A class that weighs nothing in the loss, though whole samples belong to it."""
        targets = run.targets(objective)
        if targets is None or _tokens(run, objective) or len(objective.target_shape) != 1:
            return None  # of pixels and words some are left out on purpose
        if not any(x.shape[:1] == objective.target_shape for x in run.inputs):
            return None
        shown = np.array(targets.classes, float)
        weights = np.array(objective.weights[: len(shown)])
        if len(weights) < len(shown) or not shown.sum():
            return None
        idle = np.where(weights == 0, shown, 0.0)
        worst, share = int(idle.argmax()), float(idle.max() / shown.sum())
        counts = self._late(run)
        missed = self._missed(run, counts, worst, share)
        if share < self.left_out or missed is None:
            return None
        held_out = counts is not None and counts.held_out
        return self.finding(
            f"Class {worst} weighs nothing in the loss, and {share:.0%} of the training rows "
            "belong to it: the model never learns to name it.",
            Evidence(
                "objective",
                f"class weights {', '.join(f'{x:.3g}' for x in weights[:6])}",
                where=objective.site,
                value=0.0,
            ),
            missed,
            severity="critical" if held_out else "warning",
            confidence=0.95 if held_out else 0.85,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._weigh_all,
        )

    def _missed(self, run: Run, counts: Counts | None, worst: int, share: float) -> Evidence | None:
        """That no sample of a class is recognised; None: some are, or nobody knows."""
        exam = run.exam("shuffled")
        if counts is not None:
            asked = worst < len(counts.labels) and counts.labels[worst] >= self.rarest
            if not asked or counts.correct[worst]:
                return None
            where = "held-out" if counts.held_out else "training"
            says = f"none of {counts.labels[worst]} {where} samples of class {worst} is recognised"
            return Evidence("predictions", says, steps=(counts.first, counts.last), value=0.0)
        right = float(exam.values.get("accuracy", 1.0)) if exam is not None else 1.0
        if right > 1 - share + self.luck:
            return None
        says = (
            f"the trained model names {right:.0%} of its newest training rows rightly; the other "
            f"classes are {1 - share:.0%} of the rows"
        )
        return Evidence("shuffled", says, value=right, limit=1 - share + self.luck)

    def _turned(self, run: Run, objective: Objective) -> Iterator[Finding]:
        """Class weights that grow with how frequent a class is."""
        targets = run.targets(objective)
        if targets is None:
            return
        shown = np.array(targets.classes, float)
        weights = np.array(objective.weights[: len(shown)])
        met = shown > 0
        if len(weights) < len(shown) or met.sum() < 2 or not (weights[met] > 0).all():
            return  # a class of weight 0 is left out on purpose
        top = int(shown.argmax())
        rare = int(np.where(met, shown, np.inf).argmin())
        frequent, less = shown[top] / shown[rare], weights[top] / weights[rare]
        if frequent < self.uneven or less < self.against:
            return
        if met.sum() > 2 and np.corrcoef(np.log(shown[met]), np.log(weights[met]))[0, 1] < 0.5:
            return
        late = self._late(run)
        if late is not None and rare < len(late.labels):
            rows = late.labels[rare]
            if rows >= self.rarest and late.correct[rare] >= self.served * rows:
                return
        share = shown[rare] / shown.sum()
        yield self.finding(
            f"The class weights are turned around: class {rare}, {share:.1%} of the training rows, "
            f"weighs {weights[rare]:.3g} in the loss, and class {top} {weights[top]:.3g}. Mistakes "
            "about the rare class cost next to nothing.",
            Evidence(
                "objective",
                f"class {top} is {frequent:.3g} times as frequent as class {rare} and weighs "
                f"{less:.3g} times as much",
                where=objective.site,
                value=float(less),
                limit=self.against,
            ),
            severity="warning",
            confidence=0.9,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self.prescriptions[1:2],
        )

    def _late(self, run: Run) -> Counts | None:
        """Counts over the last held-out pass, else over the training windows of the second half."""
        for passes in held_out_passes(run):
            last = passes[-1]
            valid = last.step >= 0.8 * run.steps or (
                last.step >= self.begun * run.steps and self._as_at_the_end(run, last)
            )
            if valid and any(last.labels):
                return _counts(passes[-1:], True)
        windows = [
            w
            for w in run.training_predictions()
            if run.objective and w.objective == run.objective.site and any(w.labels)
        ]
        late = [w for w in windows if w.step >= windows[-1].step / 2]
        if len(late) < 2:
            return None
        # The looks of a quick run may be over when it has hardly begun.
        told = late[-1].step >= self.begun * run.steps or self._as_at_the_end(run, late[-1])
        return _counts(late, False) if told else None

    def _as_at_the_end(self, run: Run, seen: Predictions) -> bool:
        """Whether the trained model answers its newest batches no better than a constant does, as
        in a pass from before: not every pass of a short run is looked at."""
        exam = run.exam("shuffled")
        if exam is None or "majority" not in exam.values:
            return False
        right, frequent = float(exam.values["accuracy"]), float(exam.values["majority"])
        constant = max(seen.labels, default=0) >= self.majority * sum(seen.labels)
        return constant and right - frequent <= self.seldom * (1 - frequent)

    def _collapsed(self, run: Run, counts: Counts, top: int, share: float) -> Finding:
        seen = progress(run)
        learnt = seen.learnt if seen is not None else None
        if seen is not None and seen.chance is None:
            # Of masks only the first pixels are known.
            learnt = 1 - seen.end / entropy(counts.labels / counts.total)
        informed = learnt is not None and learnt >= self.informed
        rare = counts.total - int(counts.labels[top])
        found = int(counts.correct.sum() - counts.correct[top])
        where = "held-out" if counts.held_out else "training"
        named = int(counts.predicted[top])
        often = f"all {counts.total}" if named == counts.total else f"{named} of {counts.total}"
        evidence = [
            Evidence(
                "predictions",
                f"class {top} was predicted for {often} {where} samples, {rare} of them "
                "of another class",
                steps=(counts.first, counts.last),
                value=share,
                limit=self.majority,
            )
        ]
        if learnt is not None:
            evidence.append(
                Evidence(
                    "objective_loss",
                    f"the loss shows {learnt:.0%} of the labels' entropy as learnt",
                    value=learnt,
                    limit=self.informed,
                )
            )
        return self.finding(
            f"{'Hardly anything but' if found else 'Only'} class {top} is ever predicted: "
            f"{share:.1%} of the {where} samples belong to it, and "
            f"{f'{rare - found} of {rare}' if found else f'all {rare}'} others are missed.",
            *evidence,
            severity="warning" if informed else "note",
            confidence=0.9 if informed else 0.5,
            first_step=counts.first,
        )

    def _neglected(
        self, counts: Counts, learnt: Tallies, neglected: Tallies, served: float
    ) -> Finding:
        missed = int(counts.labels[neglected].sum())
        names = ", ".join(str(c) for c in neglected[:6]) + (", ..." if len(neglected) > 6 else "")
        where = "held-out" if counts.held_out else "training"
        noun = "Class" if len(neglected) == 1 else "Classes"
        top, most = int(learnt.argmax()), int(learnt[neglected].max())
        shown = f"at most {most} of each" if len(neglected) > 1 else f"{most} of it"
        return self.finding(
            f"{noun} {names} never recognised: {missed} of {counts.total} late {where} samples. "
            f"The training batches that were looked at held {shown} and {int(learnt[top])} of "
            f"class {top}.",
            Evidence(
                "predictions",
                f"recall 0 on {missed} samples of class {names}; {served:.0%} on frequent ones",
                steps=(counts.first, counts.last),
                value=0.0,
                limit=self.served,
            ),
            severity="warning",
            confidence=0.85,
            first_step=counts.first,
        )


def _tokens(run: Run, objective: Objective) -> bool:
    """Whether the classes are the tokens of the model's own table: rare words stay rare."""
    tables = {m.settings.get("num_embeddings") for m in run.modules if "Embedding" in m.type}
    return run.exam("causality") is not None or bool(tables & set(objective.input_shape[1:]))


def _learnt_from(run: Run, counts: Counts) -> Tallies:
    """Samples of each class that the training has shown; held-out ones may be balanced."""
    targets = run.targets(run.objective) if run.objective is not None else None
    shown = targets.classes if targets is not None and counts.held_out else ()
    known = 0 < len(shown) <= len(counts.labels)
    padded = (*shown, *[0] * (len(counts.labels) - len(shown)))
    return np.array(padded, np.int64) if known else counts.labels


def _counts(seen: Sequence[Predictions], held_out: bool) -> Counts:
    size = max(len(v) for p in seen for v in (p.labels, p.predicted, p.correct))

    def total(name: str) -> Tallies:
        result = np.zeros(size, np.int64)
        for p in seen:
            values = getattr(p, name)
            result[: len(values)] += np.array(values, np.int64)
        return result

    came = np.zeros(size, np.int64)
    for p in seen:
        came[: len(p.labels)] += np.array(p.labels, np.int64) > 0
    sums = total("labels"), total("predicted"), total("correct")
    return Counts(*sums, came, held_out, seen[0].step, seen[-1].step)
