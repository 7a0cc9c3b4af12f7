"""loss-task-mismatch: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Graph, Objective, Targets
from penlight.core.finding import Evidence, Finding, Prescription, Severity
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import EXPLAINED, LOSS
from penlight.pitfalls._curves import VALUES, progress
from penlight.pitfalls._graph import output_op

BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
SQUASHED = ("Softmax", "SafeSoftmax", "Sigmoid", "Relu", "Tanh")


class LossTaskMismatch(Pitfall):
    """The loss is made for another kind of target.

    Marking an essay with a ruler: you get exact numbers, to the millimetre, and they say next to
    nothing about what was written.

    ## What happens
    A loss says what being wrong means. Binary cross-entropy on temperatures or prices has no
    minimum: targets above 1 pull the output to infinity. Squared error behind a softmax or sigmoid
    goes flat just where the answer is confidently wrong, because the derivative of the squashing
    vanishes there: the worst mistakes teach the least.

    ## Symptoms
    - A cross-entropy below zero.
    - A classifier that learns slowly with a loss of 0.09 (10 classes) from the start.
    - Some samples stay wrong for ever.

    ## Causes
    - A loss copied from another example; a classifier made from a regression script.
    - Reconstruction with binary cross-entropy after the inputs were standardised.
    - Cross-entropy for tags, of which a row may have several.

    ## When not to worry
    Binary cross-entropy on values between 0 and 1 (an autoencoder on pixels, soft labels);
    regression on whole numbers such as counts and ages; a least-squares GAN; squared error
    that has learnt the task all the same (then this is a note only).

    ## References
    - M. Nielsen, Neural Networks and Deep Learning, chapter 3: the learning slowdown.
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, ICSE 2020.
    """

    family = "objective"
    needs = (Objective, Targets, Graph, EXPLAINED, LOSS)
    looks_like = {
        "double-softmax": (
            "With two softmaxes the loss fits the targets, and its input has been through a "
            "softmax already."
        ),
        "label-encoding": (
            "Wrongly coded labels belong to the right kind of loss: other numbers would fit it."
        ),
        "output-activation-mismatch": (
            "A wrong last activation stands before a loss that fits the targets."
        ),
        "output-units-mismatch": (
            "A wrong number of output units stands before a loss that fits the kind of target."
        ),
    }
    beyond: float = limit(
        0.5, why="GANs use noisy labels up to 1.2 on purpose; no recipe goes past 1.5 or below -0.5"
    )
    classes: float = limit(
        100, why="more distinct whole numbers than this are rather counts than classes"
    )
    fits: float = limit(
        0.9,
        why="squared error behind a softmax that explains nine tenths of the one-hot labels has "
        "learnt the task: on digits that is 98% accuracy",
    )
    several: float = limit(
        0.05, why="of the target rows; one-hot, smoothed and mixed targets have none: they add to 1"
    )
    half: float = limit(
        0.5,
        why="with one squashed output, a fit under half of the labels' variance means that many "
        "samples sit on the flat wrong side",
    )
    prescriptions = (
        Prescription(
            "Classes: return raw logits, use nn.CrossEntropyLoss (one unit: nn.BCEWithLogitsLoss).",
            "Its gradient is prediction minus label: largest where the answer is most wrong.",
            edits=("loss",),
        ),
    )
    _each = (
        Prescription(
            "Several labels to a row: nn.BCEWithLogitsLoss on the same logits, and each above 0 "
            "(a probability of 0.5) is a yes.",
            "A softmax shares one probability out: two right answers can reach 0.5 each at most.",
            "the targets are counts drawn from one distribution, as in a topic model",
            edits=("loss",),
        ),
    )
    _regress = (
        Prescription(
            "Real-valued targets: a linear output and nn.MSELoss (or nn.SmoothL1Loss).",
            "Squared error has its minimum at the target, wherever that is.",
            "the values are meant to be probabilities or pixels: scale them to 0..1",
            edits=("loss",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 30
centres = 1.2 * torch.randn(classes, 16)
labels = torch.randint(0, classes, (3000,))
data = centres[labels] + torch.randn(3000, 16)
train_x, train_y, val_x, val_y = data[:2400], labels[:2400], data[2400:], labels[2400:]

net = nn.Sequential(
    nn.Linear(16, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, classes),
)


def loss_fn(logits, target):
    onehot = nn.functional.one_hot(target, classes).float()
    return nn.functional.mse_loss(torch.softmax(logits, dim=1), onehot)


optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

for epoch in range(6):
    net.train()
    for rows in torch.randperm(2400).split(40):
        optimizer.zero_grad()
        loss = loss_fn(net(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        logits = net(val_x)
        accuracy = (logits.argmax(1) == val_y).float().mean().item()
        val_loss = loss_fn(logits, val_y).item()
    print(f"epoch {epoch}: val loss {val_loss:.4f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "return nn.functional.mse_loss(torch.softmax(logits, dim=1), onehot)",
                "return nn.functional.cross_entropy(logits, target)",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for objective in run.objectives:
            targets = run.targets(objective)
            if targets is None:
                continue
            if (objective.multi_hot or 0.0) > self.several and not self._compares_rows(
                run, objective
            ):
                yield self._tags(objective, objective.multi_hot or 0.0)
                continue
            if objective.function in BINARY or objective.function == "cross_entropy":
                yield from self._real_values(objective, targets)
            elif objective.function == "poisson_nll_loss" and targets.min < 0:
                yield self._say(
                    objective,
                    f"poisson_nll_loss is made for counts, but targets reach {targets.min:.3g}.",
                    f"the smallest target is {targets.min:.3g}; a count is never negative",
                    targets.min,
                    0,
                )
            elif objective.function in VALUES:
                yield from self._classes(run, objective, targets)

    @staticmethod
    def _compares_rows(run: Run, objective: Objective) -> bool:
        """Whether the targets are a mask of pairs, or counts that the model was given, too."""
        shape = objective.target_shape
        given = [i.shape[1:] for i in run.inputs]
        return len(shape) == 2 and (shape[0] == shape[1] or shape[1:] in given)

    def _tags(self, objective: Objective, share: float) -> Finding:
        return self.finding(
            f"{objective.function} lets the classes compete for one answer, but {share:.0%} of the "
            "targets name several.",
            Evidence(
                "objective",
                f"of the target rows, all 0 and 1, {share:.0%} hold several 1s",
                where=objective.site,
                value=share,
                limit=self.several,
            ),
            severity="warning",
            confidence=0.93,
            exact=True,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._each,
        )

    def _real_values(self, objective: Objective, targets: Targets) -> Iterator[Finding]:
        """A loss on probabilities whose targets are none."""
        outside = targets.min < -self.beyond or targets.max > 1 + self.beyond
        binary = objective.function in BINARY
        several = binary and len(targets.mean) > 1 and (targets.distinct or 0) > 2
        many = binary and (targets.distinct is None or targets.distinct > self.classes)
        if not outside or (targets.integral and not several and not many):
            return  # few whole numbers are classes: that is for others to judge
        yield self._say(
            objective,
            f"{objective.function} reads targets as probabilities, but they run from "
            f"{targets.min:.3g} to {targets.max:.3g}: this loss has no minimum there.",
            f"targets from {targets.min:.3g} to {targets.max:.3g} instead of 0 to 1",
            targets.max if targets.max > 1 + self.beyond else targets.min,
            1 if targets.max > 1 + self.beyond else 0,
        )

    def _classes(self, run: Run, objective: Objective, targets: Targets) -> Iterator[Finding]:
        """An error of values behind a squashing output, on labels 0 and 1."""
        op = output_op(run, objective)
        labels = targets.integral and targets.distinct == 2 and (targets.min, targets.max) == (0, 1)
        if op not in SQUASHED or not labels or len(run.optimizers) != 1:
            return  # with a second optimiser it may be a least-squares GAN
        columns = len(targets.mean)
        onehot = columns > 1 and abs(sum(targets.mean) - 1) < 1e-3
        if columns > 1 and not (onehot and "Softmax" in op):
            return
        seen = progress(run, objective)
        fit = seen.learnt if seen is not None else None
        enough = self.fits if onehot else self.half
        poor = fit is not None and fit < enough
        classes = f"one-hot labels of {columns} classes" if onehot else "labels 0 and 1"
        learnt = "" if fit is None else f"; {max(fit, 0):.0%} of it is learnt"
        yield self._say(
            objective,
            f"{objective.function} is used on {classes} behind a {op.lower()}: where the answer is "
            f"confidently wrong the gradient vanishes{learnt}.",
            f"targets are {classes}, the output passes through {op.lower()}{learnt}",
            fit,
            enough,
            severity="warning" if poor else "note",
            prescriptions=self.prescriptions,
        )

    def _say(
        self,
        objective: Objective,
        says: str,
        evidence: str,
        value: float | None,
        limit_: float,
        severity: Severity = "critical",
        prescriptions: tuple[Prescription, ...] = _regress,
    ) -> Finding:
        proven = severity == "critical"
        return self.finding(
            says,
            Evidence("targets", evidence, where=objective.site, value=value, limit=limit_),
            severity=severity,
            confidence=0.99 if proven else 0.85,
            exact=proven,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=prescriptions,
        )
