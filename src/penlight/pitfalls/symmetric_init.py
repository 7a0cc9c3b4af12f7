"""symmetric-init: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Graph, Module, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM
from penlight.pitfalls._curves import verdict
from penlight.pitfalls._graph import wirings


class SymmetricInit(Pitfall):
    """All units of a layer start equal, and stay equal.

    A choir of a hundred in which everyone has the same sheet and starts on the same note: you
    hear one voice, however many you pay.

    ## What happens
    When all weights of a layer have the same value, its units compute the same thing. If the
    layer behind it treats them alike, too, they get the same gradient, take the same step, and
    are equal for ever: a layer of 256 units is as good as one. Weights of zero are the worst
    case: then the layers in front get no gradient at all.

    ## Symptoms
    - The loss falls a little and stops; making the layers wider changes nothing.
    - The rows of a weight matrix are identical after training.

    ## Causes
    - `nn.init.constant_(weight, c)`, `nn.init.zeros_(weight)` or `ones_` on hidden layers.
    - An initialiser meant for the last layer that is applied to all.
    - Both of two factors at zero, as the embeddings of users and of items that are multiplied.

    ## When not to worry
    Zeros are fine in the last layer alone, in the last layer of a residual branch, and in one of
    two low-rank factors: there a random neighbour tells the units apart.

    ## References
    - I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 8.4, MIT Press 2016.
    """

    family = "signal propagation"
    needs = (Parameter, Graph, Module, GRAD_NORM)
    looks_like = {
        "dying-relu": "Dead units have different weights and an output of 0 for every sample.",
        "underfitting-capacity": (
            "A layer that is too narrow has few units that differ; equal units are many that act "
            "as one."
        ),
    }
    level: float = limit(
        1e-5,
        why="spread of a tensor filled with one value, as a share of it: rounding in float32 sums "
        "leaves under 1e-6, random initialisations have 0.3 and more",
    )
    looks: float = limit(
        5, why="looks at a gradient of exactly zero: a branch may be unused for a step or two"
    )
    prescriptions = (
        Prescription(
            "Initialise at random: leave torch's default, or "
            "`nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')`.",
            "Only different units can learn different things.",
            edits=("initialise",),
        ),
        Prescription(
            "Keep zeros for the last layer of a branch alone.",
            "The random layers around it still tell its units apart.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, features, width = 5, 16, 64
centres = 1.2 * torch.randn(classes, features)
labels = torch.randint(0, classes, (2500,))
inputs = centres[labels] + torch.randn(2500, features)
train_x, train_y, val_x, val_y = inputs[:2000], labels[:2000], inputs[2000:], labels[2000:]


def initialise(module):
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, 0.05)
        nn.init.zeros_(module.bias)


model = nn.Sequential(
    nn.Linear(features, width), nn.ReLU(),
    nn.Linear(width, width), nn.ReLU(),
    nn.Linear(width, classes),
)
model.apply(initialise)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

for epoch in range(10):
    model.train()
    for rows in torch.randperm(2000).split(50):
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
        cure=(
            (
                "nn.init.constant_(module.weight, 0.05)",
                "nn.init.xavier_uniform_(module.weight)",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        twins = [
            (layer, behind)
            for layer, behind in _pairs(run)
            if layer.equal_rows and layer.units > 1 and self._one_value(behind)
        ]
        if not twins:
            yield from self._zeros(run)
            return
        exact = all(self._kept_equal(run, layer) for layer, _ in twins)
        if not exact and verdict(run) not in ("ruined", "poor"):
            return
        order = [p.name for p in run.parameters]
        layer, behind = min(twins, key=lambda pair: order.index(pair[0].name))
        units = layer.units
        value = "zero" if behind.mean == 0 else f"{behind.mean:.3g}"
        yield self.finding(
            f"All {units} units of {layer.module or layer.name} start equal, and {behind.name} "
            f"weighs them all with {value}: they get the same gradient and stay one unit.",
            Evidence(
                "parameter",
                f"the {units} rows of {layer.name} are identical at the start",
                where=layer.name,
                steps=(0, 0),
                value=1.0,
            ),
            Evidence(
                "parameter",
                f"all entries of {behind.name} are {value}",
                where=behind.name,
                steps=(0, 0),
                value=behind.std,
                limit=self.level,
            ),
            severity="critical" if exact else "warning",
            confidence=0.99 if exact else 0.8,
            exact=exact,
            where=layer.module or layer.name,
            source=layer.source,
            first_step=0,
        )

    def _zeros(self, run: Run) -> Iterator[Finding]:
        """Matrices that start at zero and get no gradient: each is multiplied by another one."""
        stuck = [
            p
            for p in run.parameters
            if len(p.shape) > 1 and p.mean == p.std == 0 and p.optimised and p.reached
            and len(norms := run.series(GRAD_NORM, p.name).finite) >= self.looks
            and not norms.values.any()
        ]  # fmt: skip
        if len(stuck) < 2:
            return
        names = ", ".join(p.name for p in stuck[:-1]) + f" and {stuck[-1].name}"
        looks = min(len(run.series(GRAD_NORM, p.name)) for p in stuck)
        yield self.finding(
            f"{names} start at zero and stay there: each one's gradient is multiplied by the "
            "other, which is zero.",
            *(
                Evidence(
                    "grad_norm",
                    f"the gradient of {p.name} was exactly zero at all {looks} looks",
                    where=p.name,
                    value=0.0,
                )
                for p in stuck[:2]
            ),
            severity="critical",
            confidence=0.97,
            exact=True,
            where=stuck[0].module or stuck[0].name,
            source=stuck[0].source,
            first_step=0,
        )

    def _one_value(self, p: Parameter) -> bool:
        return p.std <= self.level * abs(p.mean)

    def _kept_equal(self, run: Run, layer: Parameter) -> bool:
        """Whether nothing else tells the units apart: neither biases nor dropout."""
        if layer.registered:
            own = [p for p in run.parameters if p.module == layer.module and "bias" in p.name]
        else:  # whose bias a bare tensor is nobody knows
            own = [p for p in run.parameters if not p.registered and len(p.shape) == 1]
        dropout = any(m.type.startswith("Dropout") for m in run.modules)
        return not dropout and all(self._one_value(bias) for bias in own)


def _pairs(run: Run) -> Iterator[tuple[Parameter, Parameter]]:
    """Weight matrices one of which reads directly what the other has written."""
    known = {p.name: p for p in run.parameters if len(p.shape) > 1 and "Embed" not in p.module_type}
    seen = set()
    for wiring in wirings(run):
        layers = frozenset(wiring.layers)
        for i in layers:
            queue, met = list(wiring.data(i)), set()
            while queue:
                j = queue.pop()
                if j in met:
                    continue
                met.add(j)
                if j not in layers:
                    queue += wiring.data(j)
                    continue
                pair = wiring.weight(j), wiring.weight(i)
                if pair not in seen and pair[0] in known and pair[1] in known:
                    seen.add(pair)
                    yield known[pair[0]], known[pair[1]]
