"""saturated-activation: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Graph
from penlight.core.finding import Evidence, Finding, Prescription, Severity
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import ACT_ABSMAX, SATURATED_SHARE
from penlight.pitfalls._curves import verdict
from penlight.pitfalls._graph import wirings
from penlight.pitfalls._layers import early, late, owner, span


class SaturatedActivation(Pitfall):
    """Sigmoid or tanh units are pinned at their flat ends.

    A volume knob that is already at its stop: turn it further and nothing changes, and nobody
    listening can tell which way it was turned.

    ## What happens
    Far from zero a sigmoid or tanh is flat. A unit that sits there for nearly all inputs passes
    next to no gradient back (its slope is under a twentieth of the steepest), and its output
    hardly changes with the input. Everything in front of such a layer learns next to nothing.

    ## Symptoms
    - Activations pile up at -1 and 1 (tanh) or 0 and 1 (sigmoid).
    - Training crawls or stops although the loss has a gradient at the output.

    ## Causes
    - Inputs that are not scaled: raw pixels, prices, years.
    - Weights that are initialised too large for the width of the layer.
    - A learning rate so high that the first steps threw the weights out there.

    ## When not to worry
    Gates saturate on purpose (LSTM, attention, squeeze-and-excitation), and the output unit of a
    confident classifier does, too. A net that learns can afford saturated units.

    ## References
    - X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural
      networks, AISTATS 2010.
    - Y. LeCun et al., Efficient BackProp, 1998.
    """

    family = "signal propagation"
    needs = (SATURATED_SHARE, ACT_ABSMAX, Graph)
    caused_by = ("input-scale", "lr-too-high", "target-scale")
    looks_like = {
        "dying-relu": "Dead units are ReLUs that give 0 for every sample.",
        "input-scale": "Inputs on a foreign scale are seen in the data: a typical size far from 1.",
        "vanishing-gradient": (
            "A gradient can vanish through units in the middle of their range: each layer "
            "multiplies it by less than 1."
        ),
    }
    most: float = limit(
        0.5, why="half the units with a slope under 5% of the steepest; unscaled inputs gave 1.00, "
        "standardised ones 0.00, and no healthy net of the zoo passes it in a hidden layer"
    )  # fmt: skip
    prescriptions = (
        Prescription(
            "Initialise for the activation: `nn.init.xavier_normal_(layer.weight, gain=5/3)` for "
            "tanh, gain 1 for sigmoid, biases zero.",
            "The units then begin in the steep part.",
            "the weights are pretrained",
            edits=("initialise",),
        ),
        Prescription(
            "Put a norm in front of the activation: `nn.LayerNorm(width)`.",
            "It brings what arrives into the range in which the activation is steep.",
            edits=("insert-norm",),
        ),
        Prescription(
            "Use ReLU or GELU in hidden layers.",
            "They do not flatten out on the positive side.",
            "the bounded range is needed, as in a gate",
            edits=("swap-activation", "initialise"),
        ),
        Prescription(
            "If the share grew in training, divide the learning rate by ten.",
            "The first steps threw the units into the flat part.",
            edits=("learning-rate",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
features, width = 5, 256
inputs = torch.randn(4500, features)
first, second = inputs[:, 0] + inputs[:, 1], inputs[:, 2] - inputs[:, 3]
labels = (torch.sin(1.5 * first) * second > 0).long()
train_x, train_y, val_x, val_y = inputs[:4000], labels[:4000], inputs[4000:], labels[4000:]

model = nn.Sequential(
    nn.Linear(features, width), nn.Tanh(),
    nn.Linear(width, width), nn.Tanh(),
    nn.Linear(width, 2),
)
for layer in model[:4:2]:
    nn.init.normal_(layer.weight, std=4.0)
    nn.init.zeros_(layer.bias)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(8):
    model.train()
    for rows in torch.randperm(4000).split(50):
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
                "nn.init.normal_(layer.weight, std=4.0)",
                "nn.init.xavier_normal_(layer.weight, gain=5 / 3)",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        outcome = verdict(run)
        if outcome not in ("ruined", "poor"):
            return
        aside = _gates_and_outputs(run)
        sick = [
            (share, s)
            for s in run.every(SATURATED_SHARE)
            if owner(s) not in aside and (share := late(s.finite) or 0.0) > self.most
        ]
        if not sick:
            return
        share, series = max(sick, key=lambda x: x[0])
        severity: Severity = "critical" if outcome == "ruined" else "warning"
        yield self._finding(run, share, series, severity)

    def _finding(self, run: Run, share: float, series: Series, severity: Severity) -> Finding:
        before = early(series.finite) or 0.0
        born = before > self.most
        first = int(series.steps[series.values > self.most][0])
        story = "from the start" if born else f"since step {first}; at first it were {before:.0%}"
        module = run.module(owner(series))
        layer = _input_of(run, series)
        size = run.series(ACT_ABSMAX, layer).finite
        reached = (
            f"what goes into it reaches {size.values[-1] if size else 0.0:.3g}; beyond about 4.4 a "
            "sigmoid and beyond 2.2 a tanh is flat"
        )
        return self.finding(
            f"{share:.0%} of the units of {series.site} are pinned at the flat ends, {story}.",
            Evidence(
                "saturated_share",
                f"{share:.0%} of the units have a slope under 5% of the steepest",
                where=series.site,
                steps=span(series),
                value=share,
                limit=self.most,
            ),
            *([Evidence("act_absmax", reached, layer, span(size))] if size else []),
            severity=severity,
            confidence=0.85,
            where=series.site,
            source=module.source if module is not None else "",
            first_step=first,
        )


def _input_of(run: Run, series: Series) -> str:
    """The module whose output goes into the activation."""
    name = owner(series)
    names = [m.name for m in run.modules]
    if " > " in series.site or name not in names:
        return name
    return names[max(names.index(name) - 1, 0)]


def _gates_and_outputs(run: Run) -> frozenset[str]:
    """Modules whose activation multiplies something or is the last before the loss."""
    found = set()
    for wiring in wirings(run):
        for i, name in enumerate(wiring.names):
            if name not in ("Sigmoid", "Tanh"):
                continue
            gate = any(wiring.names[u] == "Mul" for u in wiring.users[i])
            if gate or i in wiring.head:
                below = wiring.below(i)
                found |= {wiring.place(i), wiring.place(below) if below is not None else ""}
    return frozenset(found - {""})
