"""residual-stream-blowup: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Graph
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACT_RMS, LOSS, STREAM_RMS
from penlight.pitfalls._curves import progress, verdict
from penlight.pitfalls._graph import Wiring, wirings
from penlight.pitfalls._layers import fold


class ResidualStreamBlowup(Pitfall):
    """Each residual block adds to the stream in proportion to its size, so it explodes.

    A report that goes round the office: each reader adds a comment as long as all that he has
    read. After twenty desks nobody can lift it.

    ## What happens
    A residual block gives x + f(x). If f has a norm at its front, each block adds about the same,
    and the stream grows like the square root of the depth. Without one f(x) is as large as x:
    the stream doubles its energy, or more, in each block. Eighteen blocks of two He-initialised
    layers multiply it by ten thousand.

    ## Symptoms
    - The first loss is in the thousands; at once or soon it is NaN.
    - Only a tiny learning rate survives, and a shallower model does better.

    ## Causes
    - Blocks without normalisation whose last layer starts at full size.
    - Output projections that were not scaled down for the depth.

    ## When not to worry
    A stream that grows like the square root of the depth, and single large channels in trained
    language models.

    ## References
    - H. Zhang et al., Fixup Initialization, ICLR 2019, arXiv 1901.09321.
    - V. Godbole et al., Deep Learning Tuning Playbook (2023): normalise inside the residual branch.
    """

    family = "signal propagation"
    needs = (Graph, ACT_RMS, LOSS)
    caused_by = ("input-scale",)
    looks_like = {
        "exploding-gradient": (
            "In a plain stack each layer passes on more than it gets, and there is no way around."
        ),
    }
    blocks: float = limit(6, why="residual additions on one path; fewer do not multiply to much")
    growth: float = limit(
        10.0,
        why="times the square root of the number of blocks, the growth that equal independent "
        "branches make. 24 blocks of two He-initialised layers grew 2.9e5-fold",
    )
    prescriptions = (
        Prescription(
            "Put a norm at the front of each branch: `x + f(layer_norm(x))`.",
            "Then a branch adds as much at the end as at the start.",
            edits=("insert-norm",),
        ),
        Prescription(
            "Start the last layer of each branch at zero, or scale it by 1 / sqrt(2 x blocks).",
            "The deep net then begins as a shallow one.",
            "the weights are pretrained",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, width, depth = 6, 32, 18


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.Identity()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        for layer in (self.up, self.down):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


centres = torch.randn(classes, 3, 10)
y = torch.randint(0, classes, (2000,))
x = centres[y, torch.randint(0, 3, (2000,))] + 0.5 * torch.randn(2000, 10)
train_x, train_y, val_x, val_y = x[:1600], y[:1600], x[1600:], y[1600:]
blocks = [Block() for _ in range(depth)]
model = nn.Sequential(nn.Linear(10, width), *blocks, nn.Linear(width, classes))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(5):
    model.train()
    for rows in torch.randperm(1600).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(val_x).argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("self.norm = nn.Identity()", "self.norm = nn.LayerNorm(width)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        outcome, seen = verdict(run), progress(run)
        wasted = seen is not None and seen.chance is not None and seen.end > seen.chance
        if outcome != "ruined" and not wasted:
            return
        wiring = next(iter(wirings(run)), None)
        branches = residual_branches(wiring) if wiring is not None else []
        if len(branches) < self.blocks:
            return
        border = self.growth * math.sqrt(len(branches))
        sites = [m.name for m in run.modules]
        for signal, names in (
            (ACT_RMS, [n for n in sites if n in branches]),
            (STREAM_RMS, [n for n in sites if run.series(STREAM_RMS, n)]),
        ):
            sizes = [(n, float(s.values[0])) for n in names if (s := run.series(signal, n))]
            if len(sizes) < self.blocks or not 0 < sizes[0][1] < sizes[-1][1] / border:
                continue
            first, last = sizes[0], sizes[-1]
            grown = last[1] / first[1]
            module = run.module(last[0])
            factor = grown ** (1 / (len(sizes) - 1))
            yield self.finding(
                f"Before any training the residual stream grows {fold(grown)} over "
                f"{len(branches)} blocks, by a factor of {factor:.2g} at each: {last[0]} adds to "
                "what is already too large.",
                Evidence(
                    signal.name,
                    f"{first[1]:.2g} at {first[0]}, {last[1]:.2g} at {last[0]}",
                    where=last[0],
                    steps=(0, 0),
                    value=grown,
                    limit=border,
                ),
                severity="critical",
                confidence=0.95,
                where=last[0],
                source=module.source if module is not None else "",
                first_step=0,
            )
            return


def residual_branches(wiring: Wiring) -> list[str]:
    """Names of the modules that give what a residual addition x + f(x) adds, loss first.

    A node counts when one of its two inputs is computed from the other; a branch whose maker is
    no module has the name "".
    """
    found = []
    for i, name in enumerate(wiring.names):
        data = wiring.data(i)
        if name != "Add" or len(data) != 2:
            continue
        for skip, branch in (data, data[::-1]):
            if skip != branch and skip in wiring.behind(branch):
                found.append(wiring.place(branch))
    return found
