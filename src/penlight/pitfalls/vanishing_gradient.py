"""vanishing-gradient: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Optimizer, Parameter
from penlight.core.finding import Evidence, Finding, Prescription, Severity
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import DEPENDENCE, GRAD_NORM, OUTPUT_GRAD, TRAVEL
from penlight.pitfalls._curves import fails
from penlight.pitfalls._layers import Chain, by_degrees, chains, early, late, span


class VanishingGradient(Pitfall):
    """The gradient shrinks from layer to layer, so the first layers do not learn.

    Shine a torch through a stack of tinted sunglasses: every lens swallows a share of the light,
    the shares multiply, and behind ten that halve it one thousandth is left for the first layers.

    ## What happens
    On its way back from the loss the gradient is multiplied by every layer's weights and by the
    slope of every activation. When one layer passes on a share t of it, n layers pass on t**n.
    A sigmoid's slope is at most 1/4; torch's default initialisation of `nn.Linear` followed by
    ReLU passes on sqrt(1/6) = 0.41 a layer. Under plain SGD a layer moves in proportion to its
    gradient, so the early ones stay what they were at random.

    ## Symptoms
    The loss sits at the value of a constant prediction, or only the last layers move; a deeper
    network does worse than a shallow one.

    ## Causes
    - Sigmoid or tanh in many hidden layers; weights that start too small for the activation.
    - No skip connections and no normalisation in a deep stack.

    ## When not to worry
    Adam and its relatives divide the size of the gradient out: a net with a ten-millionth of the
    light left was trained to the end by Adam. What stops them is a gradient below their epsilon,
    or a forward signal that is gone too. A run that learns is healthy, whatever its light says.
    The gradient of a bias right before batch norm is rounding, as the norm subtracts the bias
    again: that is no dark layer (`bias=False` tidies it up).

    ## References
    - X. Glorot, Y. Bengio, Understanding the difficulty of training deep networks, AISTATS 2010.
    - S. Schoenholz et al., Deep Information Propagation, ICLR 2017, arXiv 1611.01232.
    """

    family = "signal propagation"
    needs = (OUTPUT_GRAD, GRAD_NORM, DEPENDENCE, TRAVEL, Optimizer, Parameter)
    caused_by = ("saturated-activation", "symmetric-init", "input-scale", "eval-mode-forgotten")
    looks_like = {
        "dying-relu": (
            "Dead ReLUs are exactly 0 for every sample of many batches, and the gradient ends at "
            "their layer."
        ),
        "forward-collapse": (
            "In a forward collapse the outputs of the late layers no longer depend on the input, "
            "and Adam does not help."
        ),
        "fp16-underflow": "Gradients that float16 rounds to zero are there in float32 or bfloat16.",
        "gradient-cut": (
            "A cut chain takes all of the gradient at one place: before it there is none, or "
            "exactly 0."
        ),
        "hidden-softmax": (
            "A softmax between two layers takes the light at one place, by about the width of the "
            "layer."
        ),
        "low-precision-lost-update": (
            "Lost updates have a gradient; it is the weight in 16 bits that does not feel it."
        ),
        "lr-too-low": (
            "Too low a rate leaves the light as it is: all layers move alike, each by a tiny "
            "share of its norm."
        ),
        "rnn-long-range": (
            "A recurrent layer loses the light from time step to time step, within one layer."
        ),
        "saturated-activation": (
            "Saturated units are pinned at the ends of their range: most have a slope under 5% of "
            "the steepest."
        ),
    }
    dim: float = limit(
        1e-2,
        why="16-layer nets measured over 21 gains: SGD at its best of three rates failed for every "
        "light up to 1e-3, was mixed to 5e-3 and worked in all nine nets above 2e-2",
    )
    dark: float = limit(1e-3, why="0.5 ** 10; SGD at its best rate failed in 7 of 8 nets below it")
    one_layer: float = limit(
        0.6, why="four equal steps take a quarter of the fall; a cut takes all"
    )
    faint: float = limit(
        1e-6,
        why="dependence on the input at the last hidden layer: Adam learnt everything at 1.2e-5, "
        "half at 9e-7; only asked of runs that learnt nothing, and a warning",
    )
    gone: float = limit(
        1e-10, why="at 7e-12 and below Adam learnt nothing in sigmoid stacks; rounding is at 4e-15"
    )
    prescriptions = (
        Prescription(
            "Replace sigmoid (and deep tanh) in hidden layers by ReLU or GELU.",
            "Their slope is 1 where they are active; a sigmoid's is 1/4 at best.",
            "it is a gate, as in an LSTM, where a bounded range is the point",
            edits=("swap-activation", "initialise"),
        ),
        Prescription(
            "Match the initialisation to the activation: for ReLU "
            "`nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')`, for tanh "
            "`nn.init.xavier_normal_(layer.weight, gain=5/3)`, and zero biases.",
            "Each layer then passes on about all of the light.",
            "the weights are pretrained, or the activation is a sigmoid: no usual scheme saves it",
            edits=("initialise",),
        ),
        Prescription(
            "Add a way around each block: `x = x + block(F.layer_norm(x, x.shape[-1:]))`.",
            "The light then reaches every depth along the skip connections.",
            edits=("residual",),
        ),
        Prescription(
            "As a bridge, train with `torch.optim.Adam(model.parameters(), lr=1e-3)`.",
            "It divides the size of the gradient out.",
            "the gradient is already below its epsilon (1e-8), or the forward signal is gone",
            edits=("swap-optimizer",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, features, width, depth = 4, 20, 64, 10
centres = 1.5 * torch.randn(classes, features)
labels = torch.randint(0, classes, (2500,))
inputs = centres[labels] + torch.randn(2500, features)
train_x, train_y, val_x, val_y = inputs[:2000], labels[:2000], inputs[2000:], labels[2000:]

sizes = [features] + [width] * depth
layers = []
for wide, tall in zip(sizes, sizes[1:]):
    linear = nn.Linear(wide, tall)
    nn.init.xavier_normal_(linear.weight)
    nn.init.zeros_(linear.bias)
    layers += [linear, nn.Sigmoid()]
model = nn.Sequential(*layers, nn.Linear(width, classes))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

for epoch in range(10):
    model.train()
    for rows in torch.randperm(2000).split(50):
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
        cure=(
            ("nn.Sigmoid()", "nn.ReLU()"),
            (
                "nn.init.xavier_normal_(linear.weight)",
                'nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")',
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        outcome = fails(run)
        for chain in chains(run) if outcome else ():
            start, end = early(chain.light[0]), late(chain.light[0])
            if start is None or end is None or max(start, end) > self.dim:
                continue
            if by_degrees(tuple(early(s) for s in reversed(chain.light)), self.one_layer):
                judge = self._adaptive if run.adaptive else self._plain
                yield from judge(run, chain, outcome)
                return

    def _plain(self, run: Run, chain: Chain, outcome: str) -> Iterator[Finding]:
        dark = (early(chain.light[0]) or 0.0) < self.dark
        if outcome == "poor" and not dark:
            return
        kind = run.optimizers[0].type if run.optimizers else "SGD"
        then = f"{kind} moves a layer in proportion to its gradient, so the first ones stand still."
        severity: Severity = "critical" if outcome == "ruined" else "warning"
        yield self._finding(run, chain, then, severity, 0.95 if dark else 0.85)

    def _adaptive(self, run: Run, chain: Chain, outcome: str) -> Iterator[Finding]:
        """Adam makes up for dim light, unless the gradient is under epsilon or all inputs alike."""
        optimizer, first = run.optimizers[0], chain.layers[0]
        size = chain.first_gradient(run)
        depends = early(chain.dependence[-2])
        if size is not None and 0 < size < optimizer.eps:
            then = (
                f"Its gradient is {size:.1g} an entry, below {optimizer.type}'s epsilon of "
                f"{optimizer.eps:.0g}, so not even {optimizer.type} makes up for it."
            )
            evidence = Evidence("grad_norm", then, first, None, size, optimizer.eps)
            yield self._finding(run, chain, then, "critical", 0.95, evidence)
        elif outcome == "ruined" and depends is not None and depends < self.faint:
            then = (
                f"{optimizer.type} would make up for that, but going forward the inputs have "
                "become all alike, too."
            )
            severity: Severity = "critical" if depends < self.gone else "warning"
            yield self._finding(run, chain, then, severity, 0.85 if depends < self.gone else 0.6)

    def _finding(
        self, run: Run, chain: Chain, then: str, severity: Severity, sure: float, *more: Evidence
    ) -> Finding:
        first, light = chain.layers[0], chain.light[0]
        left = early(light) or 0.0
        tint = left ** (1 / (len(chain) - 1))
        travel = late(run.series(TRAVEL, chain.weights[0]).finite)
        moved = f"{first} moved by {travel or 0.0:.2%} of its weights' norm in the whole run"
        seen = f"{left:.1e} of the light at {chain.layers[-1]} is left at {first}"
        module = run.module(first)
        return self.finding(
            f"Only {left:.1e} of the learning signal reaches {first}: each of the {len(chain)} "
            f"layers passes on {tint:.0%} of it. {then}",
            Evidence("light", seen, first, span(light), left, self.dim),
            *more,
            *([Evidence("travel", moved, first, None, travel)] if travel is not None else []),
            severity=severity,
            confidence=sure,
            where=first,
            source=module.source if module is not None else "",
            first_step=int(light.steps[0]),
        )
