"""output-units-mismatch: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Inputs, Objective, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run

BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")


class OutputUnitsMismatch(Pitfall):
    """The number of output units does not fit the number of classes.

    A ballot paper with one box for five candidates: you can tick it or leave it, and neither
    tells anybody which of the five you meant.

    ## What happens
    One unit with a sigmoid says "class 1 or class 0". Labels 0, 1, 2, ... pushed through a binary
    cross-entropy ask for probabilities of 2, 3 or more: the loss has no minimum, it goes negative
    and drives the output towards infinity. Far more units than classes merely waste some.

    ## Symptoms
    - A binary cross-entropy that becomes negative.
    - Every sample is predicted as class 1; accuracy stays near the share of one class.

    ## Causes
    - `nn.Linear(..., 1)` copied from a binary example for a problem with more classes.
    - Class indices where a table of zeros and ones was meant.

    ## When not to worry
    A vocabulary padded to a round number, a head for 1,000 classes used on a subset, or classes
    that occur rarely: unused units cost memory, not accuracy.

    ## References
    - torch documentation of `BCEWithLogitsLoss` (targets between 0 and 1) and `CrossEntropyLoss`.
    """

    family = "objective"
    needs = (Objective, Targets, Inputs)
    looks_like = {
        "class-imbalance-collapse": "Rare classes have a unit of their own that never wins.",
        "loss-task-mismatch": "A loss for another task is wrong with any number of output units.",
        "single-unit-softmax": (
            "A softmax over a single unit gives 1 for every sample and exact zeros as gradients."
        ),
    }
    classes: float = limit(
        100, why="more distinct whole numbers than this are rather counts than classes"
    )
    spare: float = limit(
        10, why="heads are widened to the next power of two or to 1,000 ImageNet classes on "
        "purpose; only ten times the classes seen is worth a word"
    )  # fmt: skip
    prescriptions = (
        Prescription(
            "End in nn.Linear(..., C) with C the number of classes, and use nn.CrossEntropyLoss "
            "with the class indices.",
            "Each class needs a score of its own.",
            "the target is a quantity, not a class: then nn.MSELoss on one linear unit",
            edits=("output-units",),
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
classes = 4
centres = 2.0 * torch.randn(classes, 6)
y = torch.randint(0, classes, (2000,))
x = centres[y] + torch.randn(2000, 6)
loader = DataLoader(TensorDataset(x[:1500], y[:1500]), batch_size=50, shuffle=True)
val_x, val_y = x[1500:], y[1500:]

model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))


def loss_fn(scores, labels):
    return nn.functional.binary_cross_entropy_with_logits(scores[:, 0], labels.float())


def predict(scores):
    return (scores[:, 0] > 0).long()


optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(8):
    model.train()
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = loss_fn(scores, val_y).item()
        accuracy = (predict(scores) == val_y).float().mean().item()
    print(f"epoch {epoch}: validation loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            ("nn.Linear(32, 1)", "nn.Linear(32, classes)"),
            (
                "nn.functional.binary_cross_entropy_with_logits(scores[:, 0], labels.float())",
                "nn.functional.cross_entropy(scores, labels)",
            ),
            ("(scores[:, 0] > 0).long()", "scores.argmax(1)"),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for objective in run.objectives:
            targets = run.targets(objective)
            if targets is None or not targets.integral:
                continue
            units = objective.input_shape[1] if len(objective.input_shape) > 1 else 1
            count = targets.distinct or 0
            single = objective.function in BINARY and _one_unit(objective.input_shape)
            lone = objective.function == "cross_entropy" and units == 1
            if (single or lone) and 2 < count <= self.classes and targets.min >= 0:
                yield self._too_few(objective, targets, count)
            elif objective.function == "cross_entropy" and targets.classes and units > 1:
                words = any(i.embedded for i in run.inputs)
                if units >= self.spare * len(targets.classes) and not words:
                    yield self._too_many(objective, units, len(targets.classes))

    def _too_few(self, objective: Objective, targets: Targets, count: int) -> Finding:
        binary = objective.function.startswith("binary")
        tells = "tells only 0 from 1" if binary else "makes no use of a single one"
        return self.finding(
            f"The labels take {count} different values from {targets.min:g} to {targets.max:g}, "
            f"but the model has one output unit, and {objective.function} {tells}.",
            Evidence(
                "targets",
                f"{count} distinct whole numbers, the largest {targets.max:g}; a binary target "
                "is 0 or 1",
                where=objective.site,
                value=count,
                limit=2,
            ),
            confidence=0.99,
            exact=True,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )

    def _too_many(self, objective: Objective, units: int, classes: int) -> Finding:
        return self.finding(
            f"The model has {units} output units, but no label above {classes - 1} was seen.",
            Evidence(
                "targets",
                f"{units} units for labels 0 to {classes - 1}",
                where=objective.site,
                value=units,
                limit=self.spare * classes,
            ),
            severity="note",
            confidence=0.5,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=(
                Prescription(
                    f"If there are only {classes} classes, end in nn.Linear(..., {classes}).",
                    "Unused units must be learnt to be silent.",
                    "more classes will come, or the width is padded on purpose",
                    edits=("output-units",),
                ),
            ),
        )


def _one_unit(shape: tuple[int, ...]) -> bool:
    """Whether each sample has one output: (N), (N, 1) and the like."""
    return bool(shape) and math.prod(shape) == shape[0]
