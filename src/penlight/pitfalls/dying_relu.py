"""dying-relu: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Graph, Objective
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import DEAD_SAMPLES, DEAD_SHARE, GRAD_NORM, UPDATE_RATIO, ZERO_SHARE
from penlight.pitfalls._curves import verdict
from penlight.pitfalls._graph import output_op
from penlight.pitfalls._layers import owner, span

WIDE = 64  # units of a layer whose width is unknown


class DyingRelu(Pitfall):
    """ReLU units that are off for every input, and cannot come back.

    Light switches wired so that no hand in the house can turn them on: the lamps are there, they
    are paid for, and they will never shine.

    ## What happens
    A ReLU whose input is negative gives zero and passes no gradient back. When that is so for
    every sample, the weights in front of it get no gradient at all and stay as they are: the unit
    is dead. A layer whose units are all dead gives the same output for every input.

    ## Symptoms
    - The loss stalls early, often at the value of a constant prediction.
    - Gradients of early layers are exactly zero.

    ## Causes
    - Biases that are initialised far below zero.
    - A step so large that it throws the biases or weights there: then the learning rate is the
      cause, and the units were alive at the start.
    - Inputs that are not scaled.

    ## When not to worry
    Half of all activations of a healthy ReLU layer are zero; what counts are units that are zero
    for every sample. A few dead units are normal (up to 22% in small healthy conv nets), and a
    net that learns can afford them.

    ## References
    - L. Lu et al., Dying ReLU and Initialization: Theory and Numerical Examples, arXiv 1903.06733.
    - G. Sokar et al., The Dormant Neuron Phenomenon in Deep Reinforcement Learning, ICML 2023.
    """

    family = "signal propagation"
    needs = (Graph, Objective, DEAD_SHARE, DEAD_SAMPLES, ZERO_SHARE, UPDATE_RATIO, GRAD_NORM)
    caused_by = (
        "excessive-regularisation",
        "no-information-from-input",
        "lr-too-high",
        "input-scale",
        "target-scale",
        "exploding-gradient",
        "vanishing-gradient",
        "forward-collapse",
        "init-loss-off",
        "symmetric-init",
        "output-activation-mismatch",
        "not-shuffled",
    )
    looks_like = {
        "plasticity-loss": (
            "A worn network learnt well once, and fresh weights of its shape still do."
        ),
        "forward-collapse": (
            "A forward collapse takes a share of the differences at every layer, and no layer is "
            "all zeros."
        ),
        "lr-too-high": (
            "Too high a rate takes steps of a tenth of the weights and more, and fails without "
            "ReLUs as well."
        ),
        "no-information-from-input": (
            "Without information in the input the samples are alike, or unused, before the first "
            "layer; dead units come after a layer that was fed different samples."
        ),
        "saturated-activation": (
            "Saturation happens to sigmoid and tanh units, at the ends of their range; ReLUs die "
            "at 0."
        ),
        "symmetric-init": (
            "Units that started equal are on, and the rows of their weights are identical."
        ),
        "vanishing-gradient": (
            "A vanishing gradient fades over many layers while their units are still on for some "
            "samples."
        ),
    }
    many: float = limit(
        0.7,
        why="18 healthy nets stay under 0.22, broken ones had 0.86 and 1.00; a layer with constant "
        "input has half its units off, 0.50 +- 0.06 at 64 units",
    )
    all_dead: float = limit(
        0.99, why="a layer of exact zeros on a whole batch tells its inputs nothing apart"
    )
    samples: float = limit(
        256, why="a unit silent on n samples fires on under 3/n of them (rule of three): 1.2%"
    )
    long_step: float = limit(
        0.1, why="healthy steps change a weight matrix by 0.2% to 5%; a tenth is far off"
    )
    prescriptions = (
        Prescription(
            "Start with zero biases and He weights: `nn.init.zeros_(layer.bias)`, "
            "`nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')`.",
            "About half of the units are then on for any input.",
            "the units were alive at first and died in training",
            edits=("initialise",),
        ),
        Prescription(
            "Divide the learning rate by ten.",
            "Units that were alive at first are killed by steps that are too long.",
            "they were dead from the first step",
            edits=("learning-rate",),
        ),
        Prescription(
            "If units keep dying at a fitting rate: `nn.LeakyReLU(0.1)` or `nn.GELU()`.",
            "They pass a gradient back when their input is negative.",
            "the learning rate or the inputs are to blame: this only hides it",
            edits=("swap-activation",),
        ),
    )
    _open = (
        Prescription(
            "Take the ReLU behind the last layer away; where outputs must be positive, end in "
            "softplus.",
            "An output that is cut off at 0 gets no gradient there, and cannot come back.",
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
features, width = 16, 64
inputs = torch.randn(2500, features)
labels = (inputs[:, :4].square().sum(1) > 3.4).float()
train_x, train_y, val_x, val_y = inputs[:2000], labels[:2000], inputs[2000:], labels[2000:]

model = nn.Sequential(
    nn.Linear(features, width), nn.ReLU(),
    nn.Linear(width, width), nn.ReLU(),
    nn.Linear(width, 1), nn.Flatten(0),
)
for layer in (model[0], model[2]):
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.constant_(layer.bias, -8.0)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(12):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = criterion(scores, val_y).item()
        accuracy = ((scores > 0) == (val_y > 0.5)).float().mean().item()
    print(f"epoch {epoch}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("nn.init.constant_(layer.bias, -8.0)", "nn.init.zeros_(layer.bias)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        outcome = verdict(run)
        if outcome not in ("ruined", "poor"):
            return
        found = [x for s in run.every(DEAD_SHARE) if (x := self._dead(run, s)) is not None]
        if not found:
            found = [x for s in run.every(ZERO_SHARE) if (x := self._silent(run, s)) is not None]
        if not found:
            return
        share, series, seen = max(found, key=lambda x: x[0])
        before = float(series.values[0])
        first = int(series.steps[series.values > self.many][0])
        born = before > self.many
        units = f"{share:.0%} of the ReLU units of {series.site} are off for every input"
        story = "from the start" if born else f"since step {first}; at first it were {before:.0%}"
        module = run.module(owner(series))
        ruined = outcome == "ruined" or share > self.all_dead
        yield self.finding(
            f"{units}, {story}.",
            Evidence(
                series.signal, f"{units} ({seen})", series.site, span(series), share, self.many
            ),
            *([] if born else self._thrown(run, first)),
            severity="critical" if ruined else "warning",
            confidence=0.9 if share > 0.8 else 0.75,
            prescriptions=(
                *(self._open if any(output_op(run, o) == "Relu" for o in run.objectives) else ()),
                *self.prescriptions[0 if born else 1 :],
            ),
            where=series.site,
            source=module.source if module is not None else "",
            first_step=first,
        )

    def _thrown(self, run: Run, last: int) -> list[Evidence]:
        """The longest step before the units died, when it was long enough to kill them."""
        matrices = {p.name for p in run.parameters if len(p.shape) > 1}
        steps = [
            (float(early.values.max()), s.site)
            for s in run.every(UPDATE_RATIO)
            if s.site in matrices and (early := s.finite.between(0, last))
        ]
        size, site = max(steps, default=(0.0, ""))
        says = f"until then one step had changed {site} by {size:.0%} of its norm"
        found = Evidence("update_ratio", says, site, (0, last), size, self.long_step)
        return [found] if size > self.long_step else []

    def _dead(self, run: Run, series: Series) -> tuple[float, Series, str] | None:
        """A layer most of whose units were dead in the end, on enough samples."""
        count = run.series(DEAD_SAMPLES, series.site)
        if not count or count.values[-1] < self.samples:
            return None
        if series.values[-1] <= self._border(run, series):
            return None
        return float(series.values[-1]), series, f"on {count.values[-1]:.0f} samples"

    def _border(self, run: Run, series: Series) -> float:
        """Share of dead units from which on a layer is in trouble, whatever its width.

        Half of the units off is harmless, with a spread of 0.5 / sqrt(units): 0.7 stands 3.3 of
        these above it at 64 units, and few of a narrow layer's units say less.
        """
        module = run.module(owner(series))
        units = module.output_shape[1] if module and len(module.output_shape) > 1 else WIDE
        return min(self.all_dead, max(self.many, 0.5 + 3.3 * 0.5 / math.sqrt(units)))

    def _silent(self, run: Run, series: Series) -> tuple[float, Series, str] | None:
        """A layer that was looked at too rarely for the former, but gave nothing but zeros.

        One look is enough when the weights in front of it never got a gradient either.
        """
        tail = series.tail(0.2, at_least=3)
        own = (p.name for p in run.parameters if p.module == owner(series))
        gradients = [s for name in own if (s := run.series(GRAD_NORM, name))]
        starved = bool(gradients) and not any(s.values.any() for s in gradients)
        if (len(series) < 3 and not starved) or float(tail.min()) <= self.all_dead:
            return None
        return float(tail.min()), series, f"in the last {len(tail)} batches that were looked at"
