"""forward-collapse: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import DEPENDENCE, OUTPUT_GRAD, ZERO_SHARE
from penlight.pitfalls._curves import fails
from penlight.pitfalls._layers import Chain, by_degrees, chains, early, late, span


class ForwardCollapse(Pitfall):
    """On the way to the output all inputs become alike.

    A photocopy of a photocopy of a photocopy: after twenty generations every page shows the same
    grey, and no reader, however clever, can tell which letter it once was.

    ## What happens
    Each layer shrinks the difference between two inputs while its biases and the mean of its
    activations stay. After enough layers the outputs of all inputs agree to the last digit that
    float32 can hold. The layers behind that point have nothing left to learn from, whichever
    optimiser drives them.

    ## Symptoms
    - The prediction is the same for every input; the loss sits at that of a constant answer.
    - Adam does not help, although its updates are of normal size.
    - The spread of a layer's outputs over the batch falls by a constant factor per layer.

    ## Causes
    - Deep stacks of sigmoids, or weights that are too small for the activation.
    - Large biases next to small weights.
    - No normalisation and no skip connections.
    - Averaging again and again: a graph network of many hops ends with every node at the mean.

    ## When not to worry
    A constant or repeated input gives constant outputs without any fault of the network. At the
    very start a last layer of zeros gives equal outputs on purpose, and a residual branch may.

    ## References
    - S. Schoenholz et al., Deep Information Propagation, ICLR 2017, arXiv 1611.01232.
    - B. Poole et al., Exponential expressivity in deep neural networks through transient chaos,
      NeurIPS 2016, arXiv 1606.05340.
    """

    family = "signal propagation"
    needs = (DEPENDENCE, OUTPUT_GRAD, ZERO_SHARE)
    # Where the light fades, too, both come from the same product of factors: one name is enough.
    caused_by = (
        "excessive-regularisation",
        "no-information-from-input",
        "vanishing-gradient",
        "symmetric-init",
        "saturated-activation",
        "input-scale",
        "eval-mode-forgotten",
    )
    looks_like = {
        "representation-collapse": (
            "A collapsed embedding was varied at first, and its loss is perfect."
        ),
        "gan-mode-collapse": (
            "A generator that collapsed still reacts to its noise, within one mode."
        ),
        "dying-relu": "A dead layer gives exact zeros for all samples at one place.",
        "no-information-from-input": (
            "Without information in the input even the first layer gives the same for all "
            "samples, or the output ignores it."
        ),
        "vanishing-gradient": (
            "With a vanishing gradient alone the outputs still tell the samples apart; only the "
            "way back is dark."
        ),
    }
    faint: float = limit(
        1e-6,
        why="Adam learnt everything at 1.2e-5 and half at 9e-7; healthy nets of 40 layers keep "
        "0.06 and more; only asked of runs that learnt nothing, and a warning",
    )
    gone: float = limit(
        1e-10, why="at 7e-12 and below Adam learnt nothing in sigmoid stacks; rounding is at 4e-15"
    )
    one_layer: float = limit(
        0.6, why="a collapse by degrees takes a share in every layer; one broken layer is no stack"
    )
    dead: float = limit(
        0.99, why="a layer that gives exact zeros for all inputs is dead, not collapsed by degrees"
    )
    prescriptions = (
        Prescription(
            "Give each block a way around and a norm: "
            "`x = x + block(F.layer_norm(x, x.shape[-1:]))`.",
            "What distinguishes two inputs then reaches every depth unchanged.",
            edits=("residual",),
        ),
        Prescription(
            "Replace sigmoids by ReLU or GELU and initialise for them: "
            "`nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')`, biases zero.",
            "At this scale of the weights differences between inputs neither shrink nor explode.",
            "the weights are pretrained",
            edits=("swap-activation", "initialise"),
        ),
        Prescription(
            "Use fewer layers.", "Every layer takes its share; a shallow net keeps the difference."
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn
from torch.nn import functional as F

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
nodes, classes, features, width, hops = 600, 4, 16, 32, 12
labels = torch.randint(0, classes, (nodes,))
inputs = (torch.randn(classes, features) * 1.2)[labels] + torch.randn(nodes, features)
links = (torch.rand(nodes, nodes) < 0.05).float() + torch.eye(nodes)
average = links / links.sum(1, keepdim=True)
train, val = torch.arange(nodes) < 400, torch.arange(nodes) >= 400


# Each layer lets every node look one hop further.
class GraphNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Linear(features, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(hops))
        self.head = nn.Linear(width, classes)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x):
        x = self.entry(x)
        for layer in self.layers:
            x = torch.relu(average @ layer(x))
        return self.head(x)


model = GraphNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(200):
    model.train()
    optimizer.zero_grad()
    loss = criterion(model(inputs)[train], labels[train])
    loss.backward()
    optimizer.step()
    if epoch % 20 == 19:
        model.eval()
        with torch.no_grad():
            scores = model(inputs)[val]
            val_loss = criterion(scores, labels[val]).item()
            accuracy = (scores.argmax(1) == labels[val]).float().mean().item()
        print(f"epoch {epoch}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "x = torch.relu(average @ layer(x))",
                "x = x + torch.relu(average @ layer(F.layer_norm(x, (width,))))",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        if fails(run) != "ruined":
            return
        if any((late(s.finite) or 0.0) > self.dead for s in run.every(ZERO_SHARE)):
            return
        for chain in chains(run):
            spread = chain.dependence[:-1]  # the last layer may begin with zeros on purpose
            start, end = early(spread[-1]), late(spread[-1])
            if start is None or end is None or max(start, end) > self.faint:
                continue
            if by_degrees(tuple(early(s) for s in spread), self.one_layer):
                yield self._finding(run, chain, start)
                return

    def _finding(self, run: Run, chain: Chain, left: float) -> Finding:
        first, last = chain.layers[0], chain.layers[-2]
        series = chain.dependence[-2]
        module = run.module(last)
        return self.finding(
            f"By {last} all inputs look the same: the share of its output that depends on the "
            f"input is {left:.1e}, at {first} it was {early(chain.dependence[0]) or 0.0:.1e}.",
            Evidence(
                "dependence",
                f"{left:.1e} of the output of {last} varies with the input",
                where=last,
                steps=span(series),
                value=left,
                limit=self.faint,
            ),
            severity="critical" if left < self.gone else "warning",
            confidence=0.93 if left < self.gone else 0.6,
            where=last,
            source=module.source if module is not None else "",
            first_step=int(series.steps[0]),
        )
