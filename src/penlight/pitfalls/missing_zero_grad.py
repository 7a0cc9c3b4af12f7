"""missing-zero-grad: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Graph, Hygiene, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM
from penlight.pitfalls._layers import fold


class MissingZeroGrad(Pitfall):
    """Gradients of earlier steps are never cleared, or cleared before they are used.

    A shopping basket that is never emptied: at the till you pay again for everything you have
    ever bought, and the bill has less and less to do with today's list.

    ## What happens
    `backward()` adds to `.grad`. Without `zero_grad()` after each step the optimiser follows the
    sum of all gradients since the start: momentum without any decay. It overshoots, swings and
    often diverges. With `zero_grad()` between `backward()` and `step()` the opposite happens: the
    optimiser finds nothing and the weights stay where they are.

    ## Symptoms
    - Gradient norms that grow from step to step; a loss that falls, then swings or explodes.
    - Lowering the learning rate only delays it.
    - Cleared too early: the loss stays at its first value, weights do not move at all.

    ## Causes
    - `optimizer.zero_grad()` forgotten, or called once an epoch, or on another optimiser.
    - `zero_grad()` placed after `backward()` and before `step()`.

    ## When not to worry
    Gradient accumulation: several `backward()` without a step in between add up on purpose. Only
    gradients that a step has already used count.

    ## References
    - torch documentation of `torch.optim.Optimizer.zero_grad`.
    - J. Tobin, Troubleshooting Deep Neural Networks (Full Stack Deep Learning).
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, ICSE 2020.
    """

    family = "loop bug"
    needs = (Hygiene, Graph, Parameter, GRAD_NORM)
    looks_like = {
        "wrong-sign": "With the wrong sign the loss climbs evenly, however small the rate.",
        "grad-accum-misnormalised": (
            "Accumulated batches add up between two steps and are cleared after each."
        ),
        "gradient-cut": (
            "Where the chain is cut, `backward()` itself brings no gradient to the layers before "
            "the cut."
        ),
        "lr-too-high": (
            "Too high a rate fails with gradients that are cleared before every backward pass."
        ),
        "wrong-reduction": (
            "A summed loss has gradients too large from the first step on, by adding up over the "
            "batch."
        ),
    }
    share: float = limit(
        0.5,
        why="a loop that forgets zero_grad re-uses gradients in every step but the first (29 of 29 "
        "in the catalogue's experiment), a correct one never; anything rarer is some special step",
    )
    least: float = limit(3, why="fewer looks than this cannot tell a habit from a start-up effect")
    prescriptions = (
        Prescription(
            "Call optimizer.zero_grad() once in every iteration, before loss.backward().",
            "Then each step follows the gradient of its own batch.",
            "you accumulate over k batches: clear after each step, not after each batch",
            edits=("zero-grad",),
        ),
    )
    _own = (
        Prescription(
            "Clear each gradient when it has been used: p.grad = None, or p.grad.zero_().",
            "Then each step follows the gradient of its own batch.",
            edits=("zero-grad",),
        ),
    )
    _early = (
        Prescription(
            "Move optimizer.zero_grad() in front of loss.backward(), or behind optimizer.step().",
            "Between the two it wipes out the gradients before the optimiser has used them.",
            edits=("zero-grad",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 6
centres = 1.5 * torch.randn(classes, 10)
y = torch.randint(0, classes, (2000,))
x = centres[y] + torch.randn(2000, 10)
train_loader = DataLoader(TensorDataset(x[:1500], y[:1500]), batch_size=50, shuffle=True)
test_x, test_y = x[1500:], y[1500:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, classes)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(8):
    model.train()
    for data, target in train_loader:
        loss = F.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        output = model(test_x)
        test_loss = F.cross_entropy(output, test_y).item()
        accuracy = (output.argmax(1) == test_y).float().mean().item()
    print(f"epoch {epoch}: test loss {test_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("loss.backward()", "optimizer.zero_grad()\n        loss.backward()"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = run.hygiene
        if seen.stale_checks >= self.least and seen.stale_gradients:
            # With accumulation one step is looked at several times, on a GPU only now and then.
            since = seen.steps - (seen.stale_first or 0)
            looks = 1 + seen.stale_later if seen.stale_later else seen.stale_checks
            share = seen.stale_gradients / max(1, min(looks, since))
            habit = share >= self.share and seen.stale_gradients >= self.least
            yield self._stale(run, seen, severe=habit)
        elif self._wiped(run):
            yield self.finding(
                f"All {seen.empty_steps} optimiser steps found no gradient although backward() had "
                "made them: zero_grad() runs between backward() and step().",
                Evidence(
                    "hygiene",
                    f"{seen.empty_steps} of {seen.steps} steps without any gradient, "
                    f"{seen.backwards} backward passes",
                    steps=(0, max(0, seen.steps - 1)),
                    value=seen.empty_steps,
                    limit=0,
                ),
                confidence=0.99,
                exact=True,
                source=next((o.source for o in run.optimizers), ""),
                first_step=0,
                prescriptions=self._early,
            )

    def _stale(self, run: Run, seen: Hygiene, severe: bool) -> Finding:
        first = seen.stale_first if seen.stale_first is not None else 0
        evidence = [
            Evidence(
                "hygiene",
                f"{seen.stale_gradients} of {seen.steps} steps used gradients that an earlier step "
                "had used before",
                steps=(first, max(first, seen.steps - 1)),
                value=seen.stale_gradients,
                limit=0,
            )
        ]
        grown = max(
            ((s.values.max() / s.values[0], s) for s in run.every(GRAD_NORM) if s.values[0] > 0),
            key=lambda pair: pair[0],
            default=None,
        )
        if grown is not None and grown[0] > 1:
            evidence.append(
                Evidence(
                    "grad_norm",
                    f"the gradient of {grown[1].site} grew {fold(grown[0])}",
                    where=grown[1].site,
                    steps=(int(grown[1].steps[0]), int(grown[1].steps[-1])),
                    value=float(grown[0]),
                )
            )
        later = severe and first > self.least  # a second training, as a rule
        steps = f"the {seen.steps - first} steps from step {first} on," if later else ""
        return self.finding(
            f"Gradients are not cleared between steps: in {seen.stale_gradients} of "
            f"{steps or f'{seen.steps} steps'} "
            "backward() added to gradients that had already been used.",
            *evidence,
            severity="critical" if severe else "note",
            confidence=0.99 if severe else 0.6,
            exact=severe,
            source=next((o.source for o in run.optimizers), ""),
            first_step=first,
            prescriptions=self._own if any(o.own for o in run.optimizers) else None,
        )

    @staticmethod
    def _wiped(run: Run) -> bool:
        """Whether every step came up empty although the losses reach what is optimised."""
        seen = run.hygiene
        if seen.steps < 2 or seen.empty_steps < seen.steps or seen.backwards < seen.steps:
            return False
        return any(p.reached and p.optimised and p.requires_grad for p in run.parameters)
