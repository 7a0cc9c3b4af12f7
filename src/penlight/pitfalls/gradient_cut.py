"""gradient-cut: see the card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Graph, Hygiene, Module, Objective, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._frontier import before_the_cut, felt, idle_term
from penlight.pitfalls._graph import Wiring, wirings
from penlight.pitfalls._untrained import looks_untrained

# Steps and plateaus: their derivative is zero wherever it exists.
FLAT = frozenset(("Round", "Floor", "Ceil", "Sign", "Sgn", "Trunc", "Heaviside"))


class GradientCut(Pitfall):
    """The chain from the loss back to some layers is broken.

    A telephone line cut halfway: both phones work, both people talk, and not one word of the
    complaint arrives at the factory that made the part.

    ## What happens
    Autograd follows recorded operations from the loss back to the weights. `detach()`,
    `no_grad()`, `.data`, `.item()`, numpy and `argmax` leave no record, and `round` or `sign` have
    a derivative of zero. Everything before such a place gets no gradient and keeps its random
    start values, while the layers behind it go on learning.

    ## Symptoms
    - `.grad` is None, or exactly zero, for the first layers; they do not move.
    - The model learns as if those layers were a fixed random mapping.
    - `loss.requires_grad_()` was needed to make `backward()` run at all.

    ## Causes
    - A `detach()`, `torch.no_grad()` or `.data` left over from debugging or from another script.
    - A round trip through numpy, or a tensor rebuilt with `torch.tensor(...)`.
    - Rounding or thresholding in the forward pass.
    - A loss that is the same for all weights, as a sum over a softmax's outputs is.
    - The `detach()` of a discriminator's step, copied into the generator's: `netD(fake.detach())`.

    ## When not to worry
    Deliberate stops: the generated batch when a discriminator is trained, targets, teachers,
    frozen or pretrained feature extractors, and branches whose output is not used. Tiny but
    non-zero gradients are `vanishing-gradient`.

    ## References
    - torch documentation, Autograd mechanics: locally disabling gradient computation.
    - Y. Bengio, N. Leonard, A. Courville, Estimating or Propagating Gradients Through Stochastic
      Neurons, 2013: the straight-through estimator.
    """

    family = "loop bug"
    needs = (Parameter, Graph, Hygiene, Module, Objective, Exam, LOSS, OBJECTIVE_LOSS, GRAD_NORM)
    caused_by = ("single-unit-softmax", "params-not-optimised", "missing-zero-grad")
    looks_like = {
        "missing-zero-grad": (
            "Gradients that are cleared too early were there after `backward()` and are gone "
            "before the step; every layer stands still."
        ),
        "params-not-optimised": (
            "Weights that are in no optimiser get a gradient and are not moved."
        ),
        "single-unit-softmax": (
            "A softmax over one unit answers 1 whatever comes in, so all gradients are exactly 0."
        ),
        "vanishing-gradient": (
            "A vanishing gradient is small and not zero, and it fades over many layers."
        ),
    }
    idle: float = limit(
        0.01, why="rounding and `loss = 0; loss = loss + ...` add nothing; a term meant to be "
        "learnt from is a visible part of the loss"
    )  # fmt: skip
    hungry: int = limit(
        20,
        why="steps without any gradient: fewer may wait for another model, as at the start of an "
        "alternating training",
    )
    zero: float = limit(
        1e-7,
        why="size of every loss and of every gradient: what float32 makes of sums that are 0, a "
        "few 1e-9 in a policy whose loss adds its probabilities up (SO17-50181477)",
    )
    watched: int = limit(20, why="losses, before their signs are counted")
    either: float = limit(
        0.1, why="of the losses have the rarer sign: a fit that became perfect is never below 0"
    )
    prescriptions = (
        Prescription(
            "Remove detach(), no_grad(), .data or the numpy round trip between these layers and "
            "the loss.",
            "Only recorded torch operations carry the gradient back.",
            "the layers are meant to stay fixed: then freeze them with requires_grad_(False)",
            edits=("keep-graph",),
        ),
        Prescription(
            "For rounding and choices use a straight-through form, x + (x.round() - x).detach(), "
            "or a softmax / Gumbel softmax.",
            "The forward value stays, the gradient passes.",
        ),
        Prescription(
            "Show the judge what the other model made without detach(): netD(fake). The detach() "
            "belongs into the judge's own step alone.",
            "The gradient of that judgement is what the other model is to learn from.",
            edits=("keep-graph",),
        ),
    )
    _constant = (
        Prescription(
            "Let the loss depend on the answer: for a policy -(log_prob_of_the_action * "
            "reward).mean(), for classes the cross-entropy. Probabilities alone add up to 1, "
            "whatever the weights are.",
            "A number that is always the same has no direction in which it gets better.",
        ),
    )
    _rounding = (
        Prescription(
            "Train without the rounding, and round where the answers are used.",
            "The loss then feels how near an answer was.",
            "the rounding is the point, as in a binary network",
            edits=("keep-graph",),
        ),
        prescriptions[1],
    )
    _backward = (
        Prescription(
            "Call loss.backward() before optimizer.step(), in every iteration.",
            "Gradients come from backward(); without them a step has nothing to go by.",
            edits=("run-backward",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 6
x = torch.randn(3000, 2) * 2
y = (x.norm(dim=1) * 1.6).long().clamp(max=classes - 1)
train_x, train_y, val_x, val_y = x[:2400] / 2, y[:2400], x[2400:] / 2, y[2400:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.head = nn.Linear(32, classes)
        self.features = None

    def forward(self, x):
        self.features = self.encoder(x).detach()  # kept for plotting
        return self.head(self.features)


model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(10):
    model.train()
    for rows in torch.randperm(len(train_x)).split(60):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(val_x)
        val_loss = criterion(logits, val_y).item()
        accuracy = (logits.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("self.encoder(x).detach()  # kept for plotting", "self.encoder(x)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        constant = self._always_zero(run)
        if constant is not None:
            yield constant
            return
        graphs = list(wirings(run))
        for wiring in graphs:
            flat = [i for i, n in enumerate(wiring.names) if n in FLAT and wiring.is_bottleneck(i)]
            if flat and wiring.behind(flat[0]) & set(wiring.layers):
                yield self._flat(wiring, flat[0])
                return
        share = idle_term(run, graphs)
        if share is not None and abs(share) > self.idle:
            yield self._idle(run, share)
        if run.hygiene.idle_terms:
            yield self._elsewhere(run)
        wanted = [p for p in run.parameters if p.requires_grad and p.optimised and p.registered]
        seen = [p for p in wanted if p.reached is not None]
        if not seen:
            steps = run.hygiene.steps
            if wanted and not run.graphs and 1 < steps == run.hygiene.empty_steps:
                yield self._severed(run, len(wanted))
            return
        cut = [p for p in seen if not p.reached]
        if len(cut) == len(seen):
            if not any(p.reached for p in run.parameters) and run.hygiene.empty_steps:
                yield self._severed(run, len(cut))
            return
        starved = self._starved(run, cut)
        if starved:
            yield self._starving(run, starved)
            return
        proven = felt(run, cut)
        before = proven or before_the_cut(run, cut, graphs)
        if before:
            yield self._cut(before, bool(proven))

    def _always_zero(self, run: Run) -> Finding | None:
        """A loss that is 0 but for rounding, and so is every gradient: it depends on no weight."""
        losses = run.series(LOSS).finite.values
        sizes = [s.finite.values for s in run.every(GRAD_NORM)]
        gradients = np.concatenate(sizes) if sizes else np.zeros(0)
        if len(losses) < self.watched or not len(gradients):
            return None
        rarer = min(float(np.mean(losses > 0)), float(np.mean(losses < 0)))
        largest, steepest = float(np.abs(losses).max()), float(gradients.max())
        if max(largest, steepest) > self.zero or rarer < self.either:
            return None
        return self.finding(
            f"The loss is 0 whatever the weights are: between {losses.min():.1g} and "
            f"{losses.max():.1g} in all {len(losses)} steps that were seen, which is rounding, and "
            "so is every gradient.",
            Evidence(
                "grad_norm",
                f"no gradient of any weight is larger than {steepest:.1g}",
                steps=(0, run.steps),
                value=steepest,
                limit=self.zero,
            ),
            confidence=0.95,
            exact=True,
            first_step=0,
            prescriptions=self._constant,
        )

    def _cut(self, before: list[Parameter], proven: bool) -> Finding:
        weights = [p for p in before if len(p.shape) > 1]
        verdicts = [looks_untrained(p) for p in weights]
        fresh = True in verdicts
        known = False in verdicts and not fresh
        last = before[-1].module or before[-1].name
        state = "their random start values" if fresh else "their start values"
        moved = Evidence("cut", "the loss changes when they are moved by a tenth", where=last)
        return self.finding(
            f"No gradient reaches {len(before)} weight tensors up to {last}, although they are in "
            f"the optimiser and the model uses them: they stay at {state}.",
            Evidence(
                "parameters",
                f"{before[0].name} ... {before[-1].name} are not in the graph of the loss",
                where=last,
                value=len(before),
                limit=0,
            ),
            *([moved] if proven else []),
            severity="critical" if fresh else "note" if known else "warning",
            confidence=0.99 if fresh and proven else 0.97 if fresh else 0.6,
            exact=fresh and proven,
            where=last,
            source=before[-1].source,
            first_step=0,
        )

    def _flat(self, wiring: Wiring, i: int) -> Finding:
        name = wiring.names[i].lower()
        layers = [wiring.place(j) for j in wiring.layers if j in wiring.behind(i)]
        layers = [x for x in layers if x]
        return self.finding(
            f"Everything passes through {name}(), whose derivative is zero: no gradient reaches "
            f"the {len(layers) or 'other'} layers before it ({', '.join(layers[:3])}).",
            Evidence(
                "graph",
                f"{name} is the only way from the loss to {layers[0] if layers else 'the layers'}",
                where=layers[0] if layers else "",
                steps=(wiring.graph.step, wiring.graph.step),
                value=0,
            ),
            confidence=0.99,
            exact=True,
            where=wiring.ops[i].module or (layers[0] if layers else ""),
            first_step=wiring.graph.step,
            prescriptions=self._rounding,
        )

    def _idle(self, run: Run, share: float) -> Finding:
        objective = run.objective or Objective()
        return self.finding(
            f"{abs(share):.0%} of the loss is a term without a gradient: it is added to "
            f"{objective.function}, but it was computed from detached values (detach(), .data, "
            "no_grad()), so nothing learns from it.",
            Evidence(
                "graph",
                f"the loss is {objective.function} plus a number that no layer leads to, "
                f"{abs(share):.0%} of the sum",
                where=objective.site,
                value=abs(share),
                limit=self.idle,
            ),
            severity="warning",
            confidence=0.9,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )

    def _elsewhere(self, run: Run) -> Finding:
        seen = run.hygiene
        optimizer = run.optimizer(seen.idle_optimizer)
        mover = optimizer.type if optimizer is not None else "the optimiser"
        return self.finding(
            f"Where {mover} steps, a term of the loss leads only to weights that it does not hold, "
            f"such as {seen.idle_weight}: what was meant to learn from that term was cut off from "
            "it, as by detach().",
            Evidence(
                "hygiene",
                f"in all {seen.idle_terms} backward passes of that kind that were looked at, no "
                "weight behind the term was moved",
                where=seen.idle_weight,
                value=seen.idle_terms,
                limit=0,
            ),
            confidence=0.97,
            exact=True,
            where=seen.idle_weight,
            source=optimizer.source if optimizer is not None else "",
            first_step=0,
            prescriptions=self.prescriptions[2:],
        )

    def _starved(self, run: Run, cut: list[Parameter]) -> list[Parameter]:
        """Weights of a model that is used beside others and learns from none of their losses."""
        reached = {p.root for p in run.parameters if p.reached}
        alone = [p for p in cut if p.used and p.root not in reached]
        fresh = [p.root for p in alone if looks_untrained(p)]
        if run.hygiene.empty_steps < self.hungry or not reached or not fresh:
            return []
        return [p for p in alone if p.root == fresh[0]]

    def _starving(self, run: Run, starved: list[Parameter]) -> Finding:
        name, empty = starved[0].root, run.hygiene.empty_steps
        return self.finding(
            f"No gradient ever reaches {name}, although an optimiser holds its weights: {empty} "
            "steps found none. Its output is cut off from every loss, as by detach().",
            Evidence(
                "hygiene",
                f"{empty} optimiser steps without any gradient, and none of the {len(starved)} "
                f"weight tensors of {name} in a graph of a loss",
                where=name,
                value=empty,
                limit=self.hungry,
            ),
            confidence=0.97,
            exact=True,
            where=name,
            source=starved[0].source,
            first_step=0,
            prescriptions=self.prescriptions[2:],
        )

    def _severed(self, run: Run, count: int) -> Finding:
        steps = run.hygiene.steps
        never = not run.hygiene.backwards
        return self.finding(
            f"backward() is never called: {steps} steps were taken, and none of the {count} weight "
            "tensors has ever had a gradient."
            if never
            else f"The loss is not connected to the model at all: none of its {count} weight "
            f"tensors received a gradient in {steps} steps.",
            Evidence(
                "hygiene",
                f"{run.hygiene.empty_steps} of {steps} optimiser steps found no gradient",
                steps=(0, max(0, steps - 1)),
                value=run.hygiene.empty_steps,
                limit=0,
            ),
            confidence=0.99,
            exact=True,
            source=next((o.source for o in run.objectives), ""),
            first_step=0,
            prescriptions=self._backward if never else None,
        )
