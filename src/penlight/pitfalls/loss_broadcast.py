"""loss-broadcast: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Graph, Objective
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall
from penlight.core.run import Run
from penlight.core.vocabulary import EXPLAINED
from penlight.pitfalls._graph import wirings


class LossBroadcast(Pitfall):
    """Shapes (N, 1) and (N) are compared: every prediction with every label.

    A teacher marks each pupil against the answer sheets of the whole class. The best a pupil
    can do is to hand in the class average, so soon they all do.

    ## What happens
    Subtracting (N) from (N, 1) stretches both to (N, N). The mean of (o_i - y_j)^2 over all
    pairs is Var(o) + Var(y) + (mean(o) - mean(y))^2: it is smallest when every prediction is the
    mean of the labels. The model is trained to ignore its input.

    ## Symptoms
    - The loss settles at the variance of the targets, the predictions at their mean.
    - torch warns about a "target size that is different to the input size" for `mse_loss`; a
      handwritten `(a - b) ** 2` says nothing.

    ## Causes
    - The model ends in `nn.Linear(..., 1)` and the labels have no second dimension.
    - One `squeeze` or `unsqueeze` too few, or `[:, None]` on the wrong tensor.

    ## When not to worry
    Pairwise losses (ranking, contrastive, kernels, quantiles) broadcast on purpose. They line
    the batch up with itself knowingly; only a plain error between one prediction and one label
    a sample is judged.

    ## References
    - pytorch issue 16045 and pull request 18349: the warning of `mse_loss`.
    """

    family = "objective"
    needs = (Graph, Objective, EXPLAINED)
    looks_like = {
        "no-information-from-input": (
            "Without information in the input the shapes fit, and the input is constant or has no "
            "effect."
        ),
        "target-scale": (
            "Targets on a foreign scale leave the predictions far from the targets' mean."
        ),
    }
    prescriptions = (
        Prescription(
            "Give both the same shape: loss_fn(model(x).squeeze(-1), y), "
            "or loss_fn(model(x), y.unsqueeze(-1)).",
            "Then prediction i is compared with label i only.",
            edits=("match-shapes",),
        ),
        Prescription(
            "Guard the line: assert prediction.shape == y.shape.",
            "A handwritten loss broadcasts in silence.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
features = torch.randn(1600, 6)
price = torch.sin(features[:, 0]) + 0.5 * features[:, 1] * features[:, 2]
price = price + 0.1 * torch.randn(1600)
price = (price - price.mean()) / price.std()
train_x, train_y, val_x, val_y = features[:1200], price[:1200], features[1200:], price[1200:]


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        return self.out(self.layers(x))


model = Regressor()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(12):
    model.train()
    for rows in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        prediction = model(train_x[rows])
        loss = ((prediction - train_y[rows]) ** 2).mean()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        error = (model(val_x)[:, 0] - val_y).pow(2).mean().item()
    print(f"epoch {epoch}: train loss {loss.item():.3f}, validation mse {error:.3f}")

print("RESULT " + json.dumps({"metric": "mse", "value": error}))
""",
        cure=(("prediction = model(train_x[rows])", "prediction = model(train_x[rows])[:, 0]"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for objective in run.objectives:
            if _crossed(objective):
                yield self._finding(run, objective, objective.input_shape, objective.target_shape)
                return
        for wiring in wirings(run):
            crossed = wiring.all_with_all()
            if crossed is not None:
                op = wiring.ops[crossed]
                shape = wiring.ops[op.inputs[0]].shape
                if op.beside:
                    yield self._weighted(shape, op.beside)
                    return
                objective = run.objective or Objective(site="handwritten loss")
                other = shape[:1] if len(shape) == 2 else (*shape, 1)
                yield self._finding(run, objective, shape, other)
                return

    def _finding(
        self, run: Run, objective: Objective, x: tuple[int, ...], y: tuple[int, ...]
    ) -> Finding:
        n = x[0]
        function = objective.function or "the loss"
        evidence = [
            Evidence(
                "shapes",
                f"predictions {_form(x)} against targets {_form(y)}: each prediction meets "
                f"{n} targets instead of 1",
                where=objective.site,
                value=max(objective.expansion, n),
                limit=1,
            )
        ]
        explained = run.series(EXPLAINED, objective.site).finite
        if explained:
            known = max(0.0, float(explained.values[-1]))
            evidence.append(
                Evidence(
                    "explained",
                    f"the model explains {known:.0%} of the targets' variance at the end",
                    where=objective.site,
                    steps=(int(explained.steps[-1]), int(explained.steps[-1])),
                    value=float(explained.values[-1]),
                )
            )
        return self.finding(
            f"{function} compares predictions of shape {_form(x)} with targets of shape "
            f"{_form(y)}: each of the {n} predictions is held against all {n} labels, so the best "
            "answer is their mean.",
            *evidence,
            confidence=0.99,
            exact=True,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )

    def _weighted(self, shape: tuple[int, ...], weights: tuple[int, ...]) -> Finding:
        """Each sample's term is multiplied with the weights of all, as with advantages (N, 1)."""
        n = shape[0]
        return self.finding(
            f"The loss multiplies values of shape {_form(shape)} by weights of shape "
            f"{_form(weights)}: each of the {n} samples is weighted with all {n} weights, so that "
            "only their mean counts.",
            Evidence(
                "shapes",
                f"{_form(shape)} times {_form(weights)} gives ({n}, {n}), and its mean is the loss",
                value=n,
                limit=1,
            ),
            confidence=0.99,
            exact=True,
            first_step=0,
        )


def _crossed(objective: Objective) -> bool:
    """Whether broadcasting lined the batch up with something that is not the batch."""
    x, y = objective.input_shape, objective.target_shape
    if objective.expansion <= 1 or not x or not y:
        return False
    if len(x) != len(y):
        return x[0] == y[0] > 1
    return len(x) == 2 and sorted((x, y)) == sorted(((x[0], 1), (1, x[0])))


def _form(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
