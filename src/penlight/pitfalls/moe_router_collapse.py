"""moe-router-collapse: see the card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS, ROUTER_ENTROPY, ROUTER_IDLE
from penlight.pitfalls._curves import progress


class MoeRouterCollapse(Pitfall):
    """The router of a mixture of experts sends nearly all tokens to a few of them.

    Ten check-outs, and everyone queues at one: its cashier gets faster and faster, so everyone
    goes on queueing there, and nine sit idle.

    ## What happens
    An expert that is chosen learns, gets better, and is chosen more often. Without a counterweight
    the router settles on the first few, the others never see a token, and the model is as small
    as the experts that are used.

    ## Symptoms
    - The loss levels off where a model of one or two experts would.
    - Counts of tokens per expert: a few large ones, many zeros; with a capacity, dropped tokens.

    ## Causes
    - No load-balancing term in the loss, or a factor too small to act.
    - A high rate at the start, a router in half precision.

    ## When not to worry
    Small batches scatter by chance: counts are added up over thousands of choices here. Experts
    that specialise on rare inputs get few tokens; the model fits all the same.

    ## References
    - W. Fedus et al., Switch Transformers, JMLR 2022, arXiv 2101.03961: the balance loss.
    - N. Shazeer et al., Outrageously Large Neural Networks, ICLR 2017, arXiv 1701.06538.
    """

    family = "scale/transformer"
    needs = (ROUTER_ENTROPY, ROUTER_IDLE, LOSS, OBJECTIVE_LOSS)
    caused_by = ("lr-too-high", "nonfinite-loss", "input-scale", "params-not-optimised")
    looks_like = {
        "underfitting-capacity": "A model that is too small uses all that it has.",
    }
    spread: float = limit(
        0.7,
        why="entropy of the choices over that of equal shares: 5 of 8 experts that share alike "
        "give 0.77, 4 give 0.67; balanced routers stay above 0.9",
    )
    idle: float = limit(
        0.25, why="of the experts get under a tenth of their share: a quarter of the model is idle"
    )
    learnt: float = limit(
        0.9, why="share of what there is to learn: beyond it the experts in use are enough"
    )
    windows: float = limit(3, why="windows of 1,000 choices: fewer are the start of a run")
    prescriptions = (
        Prescription(
            "Add a balance loss: 0.01 x experts x sum over experts of (share of tokens x mean "
            "probability).",
            "It is smallest when all are used alike; the first factor counts, the second has the "
            "gradient.",
        ),
        Prescription(
            "Or add to each expert's logit a bias that rises while it gets too few tokens.",
            "It balances without a term in the loss.",
        ),
        Prescription(
            "Compute the router in float32, with a little noise on its logits at the start.",
            "Noise lets each expert be tried.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
experts, features, level = 8, 12, 4.0


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(features, experts)
        self.experts = nn.ModuleList(nn.Linear(features, 1) for _ in range(experts))

    def forward(self, x):
        shares = self.router(x + level).softmax(-1)
        weight, chosen = shares.topk(1, dim=-1)
        load = nn.functional.one_hot(chosen[:, 0], experts).float().mean(0)
        self.balance = experts * (load * shares.mean(0)).sum()
        answers = torch.cat([expert(x) for expert in self.experts], 1)
        return weight * answers.gather(1, chosen)


centres = 2.0 * torch.randn(experts, features)
maps = torch.randn(experts, features)
kind = torch.randint(0, experts, (2400,))
shift = torch.randn(2400, features)
x = centres[kind] + shift
y = (maps[kind] * shift).sum(1, keepdim=True)
y = y / y.std()
train_x, train_y, val_x, val_y = x[:2000], y[:2000], x[2000:], y[2000:]
model = Mixture()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
criterion = nn.MSELoss()
balance = 0.0

for epoch in range(10):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        (loss + balance * model.balance).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(val_x), val_y).item()
    print(f"epoch {epoch:2d}: train {loss.item():.3f}, val {val_loss:.3f}")

print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": val_loss}))
""",
        cure=(("balance = 0.0", "balance = 0.3"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = progress(run)
        poor = seen is not None and seen.learnt is not None and seen.learnt < self.learnt
        for series in run.every(ROUTER_ENTROPY):
            found, idle = series.finite, run.series(ROUTER_IDLE, series.site).finite
            if len(found) < self.windows or not idle:
                continue
            late = float(np.median(found.tail(0.5)))
            empty = float(np.median(idle.tail(0.5)))
            if late >= self.spread or empty < self.idle:
                continue
            module = run.module(series.site)
            yield self.finding(
                f"{series.site} leaves {empty:.0%} of the experts idle: its choices spread over "
                f"them with an entropy of {late:.2f}, where equal shares have 1.",
                Evidence(
                    "router_entropy",
                    f"{late:.2f} over the second half of the run, {found.values[0]:.2f} at first",
                    where=series.site,
                    steps=(int(found.steps[0]), int(found.steps[-1])),
                    value=late,
                    limit=self.spread,
                ),
                Evidence(
                    "router_idle",
                    f"{empty:.0%} of the experts get under a tenth of an equal share",
                    where=series.site,
                    value=empty,
                    limit=self.idle,
                ),
                severity="warning" if poor else "note",
                confidence=0.85,
                where=series.site,
                source=module.source if module is not None else "",
                first_step=int(found.steps[0]),
            )
