"""double-softmax: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Graph, Objective, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.pitfalls._graph import SOFTMAX, Wiring, wirings

SQUASHING = SOFTMAX | {"Sigmoid"}
WORDS = {"Softmax": "softmax", "SafeSoftmax": "softmax", "Sigmoid": "sigmoid"}
OUTER = {
    "LogSoftmax": "softmax",
    "Softmax": "softmax",
    "SafeSoftmax": "softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "sigmoid",
    "BinaryCrossEntropyWithLogits": "sigmoid",
}


class DoubleSoftmax(Pitfall):
    """The outputs are squashed into probabilities twice.

    A referee averages marks that were already averages: the brilliant and the hopeless end up
    a hair apart, however hard the jury tries to tell them from each other.

    ## What happens
    `cross_entropy` and `binary_cross_entropy_with_logits` apply softmax or sigmoid themselves.
    If the model has done so already, the loss takes numbers between 0 and 1 for logits. Even a
    perfect answer (1, 0, 0, ...) then becomes e / (e + C - 1) for C classes, so the loss has a
    floor it cannot go below, ln(1 + (C - 1)/e), and the gradient is shrunk by both squashings.

    ## Symptoms
    - The loss stalls at a floor (1.46 for 10 classes, 2.21 for 23, 0.31 for a perfect binary one).
    - Accuracy creeps up slowly, or looks fine while the loss does not move.
    - No error and no warning from torch.

    ## Causes
    - `nn.Softmax` as the last layer together with `nn.CrossEntropyLoss`.
    - `nn.Sigmoid` as the last layer together with `nn.BCEWithLogitsLoss`.
    - A model ported from Keras, where the default losses expect probabilities.

    ## When not to worry
    `log_softmax` in front of a cross-entropy changes nothing: its exponentials add up to one, so
    the second pass finds nothing to do. Softmax with `NLLLoss(log(p))` or a handwritten -log p is
    right too, and so is a softmax inside attention.

    ## References
    - torch documentation of `torch.nn.CrossEntropyLoss`: "unnormalized logits".
    - J. Tobin, Troubleshooting Deep Neural Networks (Full Stack Deep Learning).
    """

    family = "objective"
    needs = (Graph, Objective, Targets)
    looks_like = {
        "hidden-softmax": (
            "A hidden softmax stands between two layers, so what reaches the loss is not a row of "
            "probabilities."
        ),
        "loss-task-mismatch": (
            "A loss for another task does not fit the kind of target; its input may well be raw "
            "scores."
        ),
        "lr-too-low": (
            "Too low a rate has raw scores at the loss, and a higher rate does better in a replay."
        ),
        "output-activation-mismatch": (
            "A wrong last activation cannot reach the targets' range; probabilities squashed "
            "twice do stay in it."
        ),
    }
    simplex: float = limit(
        1e-4,
        why="float32 rounding of a sum of 1,000 probabilities stays under 1e-5; logits that add up "
        "to one on every row by chance have probability zero",
    )
    rows: float = limit(
        8, why="looks at a batch: one row may add up to one by accident, several never do"
    )
    prescriptions = (
        Prescription(
            "Drop the softmax (or sigmoid) at the end of the model: return the raw logits.",
            "The loss function applies it itself, in a numerically safe way.",
            "you need probabilities at inference: apply torch.softmax there, outside of training",
            edits=("output-activation",),
        ),
        Prescription(
            "Or keep the model and pass log-probabilities: nn.LogSoftmax with nn.NLLLoss.",
            "NLLLoss adds no softmax of its own.",
        ),
        Prescription(
            "A sigmoid may stay if the loss is nn.BCELoss.",
            "It takes probabilities.",
            edits=("loss",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, features = 40, 16
centres = 1.2 * torch.randn(classes, features)
labels = torch.randint(0, classes, (3000,))
inputs = centres[labels] + torch.randn(3000, features)
train_x, train_y, val_x, val_y = inputs[:2400], labels[:2400], inputs[2400:], labels[2400:]


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(features, 64)
        self.out = nn.Linear(64, classes)

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        return torch.softmax(self.out(x), dim=1)


model = Classifier()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for epoch in range(5):
    model.train()
    for rows in torch.randperm(2400).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = criterion(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("return torch.softmax(self.out(x), dim=1)", "return self.out(x)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for wiring in wirings(run):
            for outer in sorted(wiring.head):
                inner = wiring.below(outer) if wiring.names[outer] in OUTER else None
                if inner is None or wiring.names[inner] not in SQUASHING:
                    continue
                if OUTER[wiring.names[outer]] == "sigmoid" or wiring.ops[outer].shape[-1:] != (1,):
                    yield self._proof(run, wiring, outer, inner)
                    return
        for objective in run.objectives:
            if self._on_the_simplex(objective):
                yield self._finding(objective, "softmax", "softmax", "", 0)
                return

    def _on_the_simplex(self, objective: Objective) -> bool:
        """Whether the rows given to a cross-entropy are probabilities."""
        shape, error, low = objective.input_shape, objective.row_sum_error, objective.input_min
        return (
            objective.function == "cross_entropy"
            and len(shape) > 1
            and shape[1] > 1
            and math.prod(shape) // shape[1] >= self.rows
            and error is not None
            and error < self.simplex
            and low is not None
            and low >= 0
        )

    def _proof(self, run: Run, wiring: Wiring, outer: int, inner: int) -> Finding:
        names = wiring.names
        wanted = {
            "LogSoftmax": ("cross_entropy",),
            "BinaryCrossEntropyWithLogits": ("binary_cross_entropy_with_logits",),
        }.get(names[outer], ())
        found = next((o for o in run.objectives if o.function in wanted), run.objective)
        objective = found or Objective(function="loss", input_shape=wiring.ops[inner].shape)
        place = wiring.ops[inner].module
        step = wiring.graph.step
        return self._finding(objective, WORDS[names[inner]], OUTER[names[outer]], place, step)

    def _finding(
        self, objective: Objective, inner: str, outer: str, place: str, step: int
    ) -> Finding:
        function = objective.function
        floor = self._floor(objective, outer)
        stuck = f", so the loss cannot fall below {floor:.3g}" if floor else ""
        evidence = [
            Evidence(
                "graph",
                f"{inner} makes the input of {function}, which begins with a {outer}",
                where=place or objective.site,
                steps=(step, step),
            )
        ]
        if floor and objective.first_loss is not None:
            evidence.append(
                Evidence(
                    "objective_loss",
                    f"the loss began at {objective.first_loss:.3g} and has a floor of {floor:.3g}",
                    where=objective.site,
                    value=objective.first_loss,
                    limit=floor,
                )
            )
        return self.finding(
            f"The model already applies {inner}, and {function} applies {outer} again{stuck}.",
            *evidence,
            confidence=0.99,
            exact=True,
            where=place or objective.site,
            source=objective.source,
            first_step=step,
        )

    @staticmethod
    def _floor(objective: Objective, outer: str) -> float | None:
        """The lowest loss that inputs in [0, 1] allow, with hard labels."""
        if objective.weighted or objective.label_smoothing or len(objective.input_shape) < 2:
            return None
        if objective.function == "cross_entropy" and outer == "softmax":
            return math.log(1 + (objective.input_shape[1] - 1) / math.e)
        return None
