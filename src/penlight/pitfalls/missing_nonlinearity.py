"""missing-nonlinearity: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Graph, Inputs, Module, Objective
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, LOSS
from penlight.pitfalls._curves import progress
from penlight.pitfalls._graph import AFFINE, POOLS, Wiring, wirings


class MissingNonlinearity(Pitfall):
    """A stack of linear layers without activations is one linear layer.

    Three panes of plain glass behind one another: you can polish each of them, but together they
    still do not make a lens.

    ## What happens
    W3 (W2 (W1 x)) = (W3 W2 W1) x: however many layers are stacked, without a nonlinear function
    between them the model can only draw straight borders. The extra layers cost time and make
    the training harder, and add nothing that one layer could not do.

    ## Symptoms
    - The model is no better than linear or logistic regression.
    - More or wider layers change nothing; training and validation loss stall together.

    ## Causes
    - `nn.Sequential(nn.Linear, nn.Linear, nn.Linear)`: activations forgotten.
    - Keras `Dense` layers without `activation=`, ported as they are.
    - An activation that is defined in `__init__` but not called in `forward`.

    ## When not to worry
    One layer alone (linear or logistic regression). A linear autoencoder, a low-rank pair of
    layers around a narrow middle, an embedding followed by a projection. If the data is linear
    and the fit is good, this is a note only.

    ## References
    - I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.1: why XOR needs a hidden
      nonlinearity.
    """

    family = "architecture"
    needs = (Graph, Module, Objective, Inputs, ACCURACY, LOSS)
    looks_like = {
        "underfitting-capacity": (
            "A layer that is too narrow has fewer units than the classes need, with activations "
            "between the layers."
        ),
    }
    fits: float = limit(
        0.9, why="a linear model that learnt nine tenths of its training data is what it needs"
    )
    half: float = limit(
        0.5, why="a run that learnt less than half of what there is to learn is clearly held back"
    )
    prescriptions = (
        Prescription(
            "Put nn.ReLU() (or GELU) between the linear layers, not behind the last one.",
            "Only with a bend between them can two layers do more than one.",
            "a linear model is what you want: then one nn.Linear does the same",
            edits=("add-nonlinearity",),
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
points = torch.randn(2400, 2)
ring = (points.norm(dim=1) > 1.18).long()  # inside or outside of a circle
train = DataLoader(TensorDataset(points[:1800], ring[:1800]), batch_size=50, shuffle=True)
val_x, val_y = points[1800:], ring[1800:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 32)
        self.fc2 = nn.Linear(32, 32)
        self.fc3 = nn.Linear(32, 2)

    def forward(self, x):
        x = self.fc1(x)
        x = self.fc2(x)
        return self.fc3(x)


model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(10):
    model.train()
    for xb, yb in train:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(val_x)
        val_loss = criterion(logits, val_y).item()
        accuracy = (logits.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: validation loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            ("x = self.fc1(x)", "x = torch.relu(self.fc1(x))"),
            ("x = self.fc2(x)", "x = torch.relu(self.fc2(x))"),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        dropout = any("Dropout" in m.type for m in run.modules)
        stacks = [_linear_stack(w, dropout) for w in wirings(run)]
        if not stacks or any(len(s) < 2 for s in stacks) or len(run.optimizers) > 1:
            return
        wiring, stack = next(wirings(run)), stacks[0]
        if self._deliberate(run, wiring, stack):
            return
        names = [wiring.place(i) or f"layer {k}" for k, i in enumerate(reversed(stack))]
        seen = progress(run)
        fit = seen.learnt if seen is not None else None
        broken = seen is not None and seen.broken is not None  # no linear map does that
        fine = broken or (fit is not None and fit >= self.fits)
        poor = fit is not None and fit < self.half
        evidence = [
            Evidence(
                "graph",
                f"no activation function between {names[0]} and {names[-1]}",
                where=names[0],
                steps=(wiring.graph.step, wiring.graph.step),
                value=0,
                limit=1,
            )
        ]
        if fit is not None:
            evidence.append(
                Evidence(
                    "fit",
                    f"in the end {max(fit, 0):.0%} of what there is to learn is learnt",
                    value=fit,
                    limit=self.fits,
                )
            )
        listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        yield self.finding(
            f"The {len(stack)} layers {listed} have no activation function between them, so "
            "together they are one linear layer.",
            *evidence,
            severity="note" if fine else "critical" if poor else "warning",
            confidence=0.99,
            exact=True,
            where=names[0],
            source=next((m.source for m in run.modules if m.name == names[0]), ""),
            first_step=wiring.graph.step,
        )

    @staticmethod
    def _deliberate(run: Run, wiring: Wiring, stack: list[int]) -> bool:
        """A reconstruction, or a narrow middle: linear on purpose."""
        if any(i.embedded for i in run.inputs):
            return True
        widths = [wiring.ops[i].shape[1] for i in reversed(stack) if len(wiring.ops[i].shape) > 1]
        if not widths or len(widths) < len(stack):
            return False
        objective = run.objective
        fed = run.inputs[0] if run.inputs else None
        whole = objective is not None and fed is not None and objective.target_shape == fed.shape
        if whole and fed is not None and fed.features > 1:  # one number is no reconstruction
            return True
        starts = fed.features if fed is not None else 0
        ends = min(starts, widths[-1]) if starts else widths[-1]
        return min(widths[:-1]) < ends


def _linear_stack(wiring: Wiring, dropout: bool) -> list[int]:
    """The layers of a model in which nothing but linear maps lies between them, last first.

    Empty when none feeds another one, as where a loss compares one layer's answers to two batches;
    when there is an activation, a product of two activations, or an operation unknown here.
    Max pooling is allowed between layers as long as two layers meet directly.
    """
    passing = AFFINE | POOLS
    found: set[int] = set()
    pooled: set[int] = set()
    chained = False
    first = [j for i in sorted(wiring.head) for j in wiring.data(i) if wiring.is_layer(j)]
    queue = [(i, False) for i in first]
    seen: set[tuple[int, bool]] = set()
    while queue:
        i, behind = queue.pop()
        if (i, behind) in seen:
            continue
        seen.add((i, behind))
        name, data = wiring.names[i], wiring.data(i)
        weighted = len(data) < len(wiring.ops[i].inputs)
        scaling = name in ("Mul", "Div", "Add", "Sub") and len(data) == 1
        if wiring.is_layer(i):
            found.add(i)
            chained, behind = chained or behind, True
        elif name in POOLS:
            pooled.add(i)
        elif name not in passing and not (scaling and (weighted or dropout or name != "Mul")):
            return []
        queue += [(j, behind) for j in data]
    return sorted(found) if chained and len(found) - len(pooled) > 1 else []
