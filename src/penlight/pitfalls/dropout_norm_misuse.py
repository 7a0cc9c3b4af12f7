"""dropout-norm-misuse: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Graph, Module, Objective
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.pitfalls._curves import VALUES
from penlight.pitfalls._graph import SHAPE, SOFTMAX, Wiring, wirings

# What may stand between the last dropout and the loss without being a layer, and before it.
THROUGH = SHAPE | SOFTMAX | {"LogSoftmax", "Sigmoid"}
BENT = SHAPE | {"Relu", "LeakyRelu", "Elu", "Gelu", "Silu", "Tanh", "Sigmoid"}
ERROR = SHAPE | {"Mean", "Sum", "Pow", "Square", "Abs", "Sub"}  # of a loss written by hand
DROPPING = ("Mul", "NativeDropout", "FusedDropout", "Dropout")


class DropoutNormMisuse(Pitfall):
    """Dropout comes after the last layer, so it deletes answers instead of features.

    A teacher tears random answers out of the exam sheets and then marks what is missing as wrong:
    no amount of learning protects the pupil from the scissors.

    ## What happens
    Dropout sets a share p of its inputs to zero and multiplies the rest by 1/(1-p). Inside the
    network the next layer learns to do without any single feature. Behind the last layer nothing
    comes that could make up for it: the prediction itself is deleted. For a regression the loss
    keeps a floor, and the best weights make the outputs too small by a factor of 1-p once dropout
    is switched off. For a classifier the right class loses its score in a share p of all cases.

    ## Symptoms
    - A training loss with a floor, far above the evaluation loss.
    - Regression outputs that are too small at test time by the same factor everywhere.
    - A classifier that never becomes sure.

    ## Causes
    - Dropout applied "after every layer", the last one included.
    - A dropout meant for the hidden layer that slipped one line down.

    ## When not to worry
    Dropout in front of the last layer is the usual place, even at 0.5. So is dropout inside
    residual branches. Dropout on the output at evaluation time, for uncertainty estimates, does
    not touch training.

    ## References
    - N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting,
      JMLR 2014: dropout of inputs and hidden units.
    - torch documentation of `torch.nn.Dropout`.
    """

    family = "architecture"
    needs = (Graph, Module, Objective)
    looks_like = {
        "bn-stale-or-small-batch": (
            "Batch norm over a handful of numbers makes the modes differ, with dropout at its "
            "usual place or none."
        ),
        "eval-mode-forgotten": (
            "A forgotten `eval()` leaves dropout or batch norm on while the model is judged."
        ),
        "excessive-regularisation": (
            "Too much dropout or decay stands at the usual places and is too strong."
        ),
    }
    least: float = limit(
        0.02,
        why="with p below this the right answer is deleted in under 2% of the cases, less than the "
        "label noise of common data sets (3 to 6% in Northcutt et al. 2021)",
    )
    prescriptions = (
        Prescription(
            "Move the dropout in front of the last layer: self.out(self.dropout(hidden)).",
            "There it removes features, and the last layer learns to do without any single one.",
            edits=("move-dropout",),
        ),
        Prescription(
            "Or drop it: the output layer needs no dropout of its own.",
            "Behind the last layer nothing can make up for what was deleted.",
            edits=("drop-output-dropout",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.randn(2000, 8)
y = torch.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3] + 0.1 * torch.randn(2000, 1) + 1.0
train_x, train_y, test_x, test_y = x[:1600], y[:1600], x[1600:], y[1600:]


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.out = nn.Linear(64, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x):
        return self.dropout(self.out(self.hidden(x)))


model = Regressor()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(15):
    model.train()
    for rows in torch.randperm(1600).split(40):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test_loss = nn.functional.mse_loss(model(test_x), test_y).item()
    print(f"epoch {epoch:2d}  train {loss.item():.4f}  test {test_loss:.4f}")

value = test_loss / test_y.var().item()
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": value}))
""",
        cure=(("self.dropout(self.out(self.hidden(x)))", "self.out(self.hidden(x))"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for objective in run.objectives:
            for wiring in wirings(run):
                module = self._last_dropout(run, wiring, objective)
                if module is not None:
                    yield self._finding(run, objective, module)
                    return

    def _last_dropout(self, run: Run, wiring: Wiring, objective: Objective) -> Module | None:
        """The dropout module between the last layer and a loss function, if it was active."""
        handwritten = [wiring.below(0, through=ERROR)] if objective.by_hand else []
        for made in handwritten or wiring.made_by(objective.function):
            node: int | None = made
            while node is not None:
                module = run.module(wiring.ops[node].module) if wiring.ops[node].module else None
                if module is not None and module.type == "Dropout":
                    active = wiring.names[node] in DROPPING
                    strong = float(module.settings.get("p", 0.0)) >= self.least
                    # Many values behind an activation may be features that are compared.
                    answer = objective.function not in VALUES or objective.input_shape[1:] == (1,)
                    below = wiring.below(node, through=BENT if answer else SHAPE)
                    layer = below is not None and wiring.is_layer(below)
                    return module if active and strong and layer else None
                node = wiring.below(node) if wiring.names[node] in THROUGH else None
        return None

    def _finding(self, run: Run, objective: Objective, module: Module) -> Finding:
        p = float(module.settings.get("p", 0.0))
        values = objective.function in VALUES
        cost = (
            f"predictions come out {p:.0%} too small once dropout is off"
            if values
            else f"the right class loses its score in {p:.0%} of all training samples"
        )
        evidence = [
            Evidence(
                "graph",
                f"{module.name} (p={p:g}) lies between the last layer and {objective.function}",
                where=module.name,
                value=p,
                limit=self.least,
            )
        ]
        modes = run.exam("modes")
        if modes is not None and float(modes.values["eval"]) < float(modes.values["train"]):
            train, evaluation = float(modes.values["train"]), float(modes.values["eval"])
            evidence.append(
                Evidence(
                    "modes",
                    f"on the same batches the loss is {train:.3g} with dropout and "
                    f"{evaluation:.3g} "
                    "without",
                    value=train,
                    limit=evaluation,
                )
            )
        return self.finding(
            f"Dropout {module.name} (p={p:g}) comes after the last layer and deletes predictions: "
            f"{cost}.",
            *evidence,
            severity="critical" if values or p >= 0.5 else "warning",
            confidence=0.99,
            exact=True,
            where=module.name,
            source=module.source,
            first_step=0,
        )
