"""output-activation-mismatch: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Graph, Objective, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, LOSS, ZERO_SHARE
from penlight.pitfalls._curves import VALUES, progress, verdict
from penlight.pitfalls._graph import Wiring, output_op, wirings
from penlight.pitfalls._layers import owner, span
from penlight.pitfalls._outputs import (
    LOGS,
    RANGES,
    gap,
    out_of_reach,
    raw_under_log,
    what_is_no_log,
)


class OutputActivationMismatch(Pitfall):
    """The last activation cannot produce what the loss asks for.

    A thermometer whose scale starts at zero, sent to measure a winter: below freezing it reads
    zero, and no amount of practice will teach it frost.

    ## What happens
    Every output activation has a range: sigmoid 0 to 1, tanh -1 to 1, ReLU 0 and up. Targets
    outside are out of reach, the error on them never goes away, and the activation saturates in
    the attempt. The other way round, a loss on probabilities (`NLLLoss`, -log p) that is fed raw
    outputs takes logarithms of numbers that are none, or rewards ever larger ones.

    ## Symptoms
    - The loss settles far above zero; predictions stick at the end of the range.
    - `nll_loss` goes below zero, which no probability can do.
    - A handwritten -log(p.clamp(...)) stays at one high value: clamped numbers have no gradient.

    ## Causes
    - ReLU, sigmoid or softmax kept on the output of a regression.
    - `NLLLoss` without `log_softmax`, or with `softmax` instead, or along the wrong axis.
    - `KLDivLoss` on probabilities, as in distillation: its input has to be their logarithm.
    - ReLU or tanh on the logits of a classifier.

    ## When not to worry
    Targets scaled into the range (images in 0..1 with sigmoid, in -1..1 with tanh), a scaled
    activation such as `10 * tanh(x)`, and targets of which a rare few were clipped on purpose.

    ## References
    - D. Holden (theorangeduck), My Neural Network isn't working! What should I do?, 2017.
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, ICSE 2020.
    """

    family = "objective"
    needs = (Objective, Targets, Graph, ACCURACY, LOSS, ZERO_SHARE)
    looks_like = {
        "double-softmax": "Squashing twice is one activation too many of the right kind.",
        "loss-task-mismatch": "A loss for another task is wrong with any last activation.",
        "target-scale": (
            "Without an activation on the output any target can be reached, only not soon."
        ),
    }
    gap: float = limit(
        0.1, why="rounding and a clipped rare value stay within a tenth of the targets' range"
    )
    sigmas: float = limit(
        1.28, why="a tenth of normally distributed targets lies beyond mean + 1.28 std: more is no "
        "matter of a few clipped values"
    )  # fmt: skip
    normalised: float = limit(
        0.1,
        why="log-probabilities in bfloat16 add up to 1 within 0.02; raw outputs of 10 units at "
        "initialisation miss it by ln(10) = 2.3",
    )
    fits: float = limit(
        0.9, why="a run that learnt nine tenths of its training data is not held back by the range"
    )
    looks: float = limit(
        8, why="batches: a ReLU on the output that is off for all samples of eight stays off"
    )
    shut: float = limit(
        0.1, why="share of the outputs; a sound output comes to 0 now and then, not in every batch"
    )
    half: float = limit(
        0.5, why="a run that learnt less than half of what there is to learn is clearly held back"
    )
    prescriptions = (
        Prescription(
            "Regression: remove the activation behind the last layer (or scale the targets into "
            "its range).",
            "A linear output can reach every value.",
            edits=("output-activation",),
        ),
    )
    _logits = (
        Prescription(
            "Return the output of the last Linear layer as it is; the loss wants raw logits.",
            "Logits must be able to go far to both sides of zero.",
            edits=("output-activation",),
        ),
    )
    _log_shares = (
        Prescription(
            "Give kl_div log_softmax(logits, dim=1) as its input, and softmax(...) as its target.",
            "torch's kl_div wants logarithms first and probabilities second.",
            edits=("output-activation",),
        ),
    )
    _logs = (
        Prescription(
            "Return raw logits and use nn.CrossEntropyLoss (one unit: nn.BCEWithLogitsLoss).",
            "It takes log and softmax together, over the class dimension, and cannot overflow.",
            edits=("loss",),
        ),
        Prescription(
            "Or apply torch.log_softmax(x, dim=1) before nn.NLLLoss.",
            "NLLLoss expects log-probabilities.",
            edits=("output-activation",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.rand(2000, 4) * 2 - 1
y = torch.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.05 * torch.randn(2000)
y = ((y - y.mean()) / y.std()).unsqueeze(1)
train_x, train_y, val_x, val_y = x[:1600], y[:1600], x[1600:], y[1600:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 64)
        self.fc2 = nn.Linear(64, 64)
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return torch.sigmoid(self.out(x))


net = Net()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)

for epoch in range(15):
    net.train()
    for rows in torch.randperm(1600).split(50):
        optimizer.zero_grad()
        loss = criterion(net(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        val_loss = criterion(net(val_x), val_y).item()
    print(f"epoch {epoch}: train {loss.item():.4f}, validation {val_loss:.4f}")

print("RESULT " + json.dumps({"metric": "mse", "value": val_loss}))
""",
        cure=(("return torch.sigmoid(self.out(x))", "return self.out(x)"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for objective in run.objectives:
            op = output_op(run, objective).replace("SafeSoftmax", "Softmax")
            if objective.function == "nll_loss":
                yield from self._no_log(objective, op)
            elif objective.function == "kl_div":
                yield from self._no_log_of_shares(objective, op)
            elif objective.function in VALUES and op in RANGES:
                yield from self._out_of_reach(run, objective, op)
            elif objective.function.startswith(("cross_entropy", "binary_cross_entropy_with")):
                yield from self._bent_logits(run, objective, op)
        for wiring in wirings(run):
            for i in sorted(wiring.head):
                if wiring.names[i] in LOGS:
                    yield from self._log_of_raw(run, wiring, i)

    def _no_log(self, objective: Objective, op: str) -> Iterator[Finding]:
        """nll_loss on something that is no log-probability."""
        error, high = objective.logsumexp_error, objective.input_max
        if error is None or high is None or not error > self.normalised:
            return
        what = what_is_no_log(objective, op)
        yield self.finding(
            f"nll_loss is given {what}: values up to {high:.3g}.",
            Evidence(
                "objective",
                f"the log of the summed exponentials is {error:.3g} instead of 0",
                where=objective.site,
                value=error,
                limit=self.normalised,
            ),
            confidence=0.99,
            exact=True,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._logs,
        )

    def _no_log_of_shares(self, objective: Objective, op: str) -> Iterator[Finding]:
        """kl_div on something that is no log-probability: of a discrete one it is never above 0."""
        low, high = objective.input_min, objective.input_max
        if low is None or high is None or not high > self.normalised:
            return
        shares = low >= 0 and (op in ("Softmax", "Sigmoid") or high <= 1 + self.normalised)
        what = "probabilities instead of their logarithms" if shares else "no logarithms"
        yield self.finding(
            f"kl_div is given {what}: values from {low:.3g} to {high:.3g}. It weighs each one by "
            "the target and takes no logarithm of its own, so sharper answers always cost less.",
            Evidence(
                "objective",
                f"the largest input is {high:.3g}; the logarithm of a probability is at most 0",
                where=objective.site,
                value=high,
                limit=self.normalised,
            ),
            confidence=0.97,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._log_shares,
        )

    def _out_of_reach(self, run: Run, objective: Objective, op: str) -> Iterator[Finding]:
        """A regression whose targets lie outside the range of the last activation."""
        targets = run.targets(objective)
        if targets is None or not targets.mean or not targets.std:
            return
        low, high = RANGES[op]
        spread, beyond = targets.max - targets.min, gap(targets, op)
        if spread <= 0 or beyond <= self.gap * spread:
            if op == "Relu" and objective.input_min == objective.input_max == 0.0:
                yield from self._dead(objective, targets)
            elif op == "Relu" and targets.min > 0:
                yield from self._shut(run, objective, targets)
            return
        far = out_of_reach(targets, op, self.sigmas)
        yield self.finding(
            f"The output passes through {op.lower()}, which yields {_range(low, high)}, but the "
            f"targets run from {targets.min:.3g} to {targets.max:.3g}: "
            f"{'many' if far else 'some'} of them cannot be reached.",
            Evidence(
                "targets",
                f"mean {targets.mean[0]:.3g}, standard deviation {targets.std[0]:.3g}; the range "
                f"ends {beyond:.3g} short of the farthest target",
                where=objective.site,
                value=beyond,
                limit=self.gap * spread,
            ),
            severity="critical" if far else "note",
            confidence=0.99 if far else 0.6,
            exact=far,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )

    def _dead(self, objective: Objective, targets: Targets) -> Iterator[Finding]:
        """A ReLU behind the last layer that is off for every sample, so that nothing can learn."""
        if objective.looked < self.looks or not targets.max > 0:
            return
        yield self.finding(
            "The output passes through relu and was 0 for every sample: behind zero a ReLU has no "
            "slope, so no layer gets any gradient.",
            Evidence(
                "objective",
                f"0 in all of {objective.looked} looks, while the targets reach {targets.max:.3g}",
                where=objective.site,
                value=0.0,
                limit=targets.max,
            ),
            confidence=0.97,
            exact=True,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )

    def _shut(self, run: Run, objective: Objective, targets: Targets) -> Iterator[Finding]:
        """A ReLU behind the last layer that is off for some outputs, where no target is 0."""
        names = [m.name for m in run.modules]
        placed = [s for s in run.every(ZERO_SHARE) if owner(s) in names]
        series = max(placed, key=lambda s: names.index(owner(s)), default=None)
        if series is None or len(series) < self.looks or verdict(run) != "ruined":
            return
        share = float(series.tail(0.2, at_least=3).min())
        if share <= self.shut:
            return
        yield self.finding(
            f"{share:.0%} of the outputs stay at 0 behind the relu of the last layer, while every "
            f"target is at least {targets.min:.3g}: behind zero a ReLU has no slope, so they never "
            "come back.",
            Evidence(
                ZERO_SHARE.name,
                f"in none of the newest looks fewer than {share:.0%} of the outputs were 0",
                where=series.site,
                steps=span(series),
                value=share,
                limit=self.shut,
            ),
            severity="critical",
            confidence=0.95,
            where=objective.site,
            source=objective.source,
            first_step=0,
        )

    def _bent_logits(self, run: Run, objective: Objective, op: str) -> Iterator[Finding]:
        """ReLU or tanh on the logits of a classifier."""
        binary = objective.function != "cross_entropy"
        if op not in ("Relu", "Tanh", "Softplus"):
            return
        seen = progress(run, objective)
        fit = seen.learnt if seen is not None else None
        fine = fit is not None and fit >= self.fits
        poor = fit is not None and fit < self.half
        ruined = binary and op != "Tanh"
        effect = {
            "Tanh": "they stay between -1 and 1, so no class can become likely",
        }.get(op, "no class can be spoken against" if not binary else "p is never below 0.5")
        yield self.finding(
            f"The logits given to {objective.function} pass through {op.lower()} first: {effect}.",
            Evidence(
                "graph",
                f"{op.lower()} makes the input of {objective.function}",
                where=objective.site,
            ),
            severity="note" if fine else "critical" if ruined or poor else "warning",
            confidence=0.99 if ruined else 0.9,
            exact=ruined,
            where=objective.site,
            source=objective.source,
            first_step=0,
            prescriptions=self._logits,
        )

    def _log_of_raw(self, run: Run, wiring: Wiring, log: int) -> Iterator[Finding]:
        """-log(p) where p is no probability but the output of a layer."""
        maker = raw_under_log(wiring, log)
        if maker is None:
            return
        linear = wiring.is_layer(maker)
        kind = "a layer's raw output" if linear else wiring.names[maker].lower()
        layer = maker if linear else wiring.below(maker)
        place = wiring.place(layer) if layer is not None else ""
        yield self.finding(
            f"The loss takes the logarithm of {kind} as if it were a probability: there is no "
            "softmax or sigmoid in between.",
            Evidence(
                "graph",
                f"log is applied to the output of {place or kind}",
                where=place,
                steps=(wiring.graph.step, wiring.graph.step),
            ),
            confidence=0.95,
            where=place,
            source=next((o.source for o in run.objectives), ""),
            first_step=wiring.graph.step,
            prescriptions=self._logs,
        )


def _range(low: float, high: float) -> str:
    return f"{low:g} and up" if math.isinf(high) else f"{low:g} to {high:g}"
