"""graph-leak: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Hygiene
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class GraphLeak(Pitfall):
    """Every step's graph is kept: memory grows until there is none left.

    Stapling every receipt of your life to the one before: all you wanted was the sum, and you
    carry a roll of paper that grows with each coffee.

    ## What happens
    A tensor that was computed with gradients holds the graph that it came from, and through it
    the activations that a backward pass would need. Kept in a list or added to a running total,
    it keeps all of that alive. After `backward()` the activations are freed and only the nodes
    stay; a loss or an output that never sees a backward pass, in validation, keeps everything.

    ## Symptoms
    - Memory grows with every step; the run ends with out of memory after hours.
    - Steps get slower.

    ## Causes
    - `total += loss` or `losses.append(loss)` instead of `loss.item()` or `loss.detach()`.
    - Outputs collected for a metric, in a validation loop without `torch.no_grad()`.
    - `backward(retain_graph=True)` and a state that is carried on from step to step.

    ## When not to worry
    The graphs of a few steps are held on purpose by meta-learning, truncated back-propagation
    through time and policy gradients, and let go after them.

    ## References
    - torch documentation, Frequently Asked Questions: my model reports cuda runtime error(2).
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, arXiv 1910.11015.
    """

    family = "loop bug"
    needs = (Hygiene,)
    stands_alone = True
    kept: float = limit(
        0.9,
        why="share of the marked graphs of all the run that are still held 8 steps later and more: "
        "0 in the healthy controls, 1 where results are collected; what is let go after each "
        "epoch falls below it in the second epoch",
    )
    graphs: float = limit(
        24, why="marked graphs: so many steps back nobody differentiates in the usual loops"
    )
    prescriptions = (
        Prescription(
            "Keep numbers, not tensors with a graph: total += loss.item(), "
            "outputs.append(out.detach()).",
            "detach() leaves the values and lets the graph go.",
        ),
        Prescription(
            "Run validation under torch.no_grad().",
            "Then there is no graph to keep.",
            edits=("no-grad",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.randn(3000, 16)
y = (x[:, :4].sum(1) > 0).long()
train_x, train_y, val_x, val_y = x[:1000], y[:1000], x[1000:], y[1000:]

model = nn.Sequential(
    nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss_fn = nn.CrossEntropyLoss()
history = []


def memory():
    table = Path("/proc/self/statm")  # elsewhere than on Linux there is no such table
    return int(table.read_text().split()[1]) * 4096 / 2**20 if table.exists() else None


start = memory()
for step in range(60):
    rows = torch.randint(1000, (50,))
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(model(train_x[rows]), train_y[rows])
    loss.backward()
    optimizer.step()
    model.eval()
    val_loss = loss_fn(model(val_x), val_y)
    history.append(val_loss)

print(f"loss {float(history[0].detach()):.3f} -> {float(history[-1].detach()):.3f}")
grown = memory() - start if start is not None else None
print("RESULT " + json.dumps({"metric": "memory grown by MB", "value": grown}))
""",
        cure=(("history.append(val_loss)", "history.append(val_loss.detach())"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = run.hygiene
        if seen.graphs_old < self.graphs or seen.graphs_kept < self.kept * seen.graphs_old:
            return
        yield self.finding(
            f"Of {seen.graphs_old} graphs that were looked at, {seen.graphs_kept} are still held "
            "many steps later: something keeps tensors together with their graph.",
            Evidence(
                "hygiene",
                f"{seen.graphs_kept} of {seen.graphs_old} graphs from all of the run outlived "
                "their step by 8 steps and more",
                steps=(0, max(0, run.steps - 1)),
                value=seen.graphs_kept / seen.graphs_old,
                limit=self.kept,
            ),
            severity="warning",
            confidence=0.95,
            exact=True,
            first_step=0,
        )
