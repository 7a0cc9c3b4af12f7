"""exploding-gradient: see the card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from penlight.core.facts import Graph, Hygiene
from penlight.core.finding import Evidence, Finding, Prescription, Severity
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import ACT_RMS, LOSS, OUTPUT_GRAD
from penlight.pitfalls._curves import progress, verdict
from penlight.pitfalls._forces import clip_first
from penlight.pitfalls._graph import wirings
from penlight.pitfalls._layers import Chain, by_degrees, chains, fold

LOOPS = 8  # uses of one weight in a forward pass from which on it counts as a loop


class ExplodingGradient(Pitfall):
    """Every layer makes the signal larger, until it flies off.

    A microphone in front of its own loudspeaker: each round makes the sound a little louder
    until it screeches. A layer that multiplies by 1.3 does so 36,000 times over in forty layers.

    ## What happens
    The weights are too large for the activation: each layer multiplies the size of what comes in
    by a factor above one, forward and again backward. The factors multiply over depth. The first
    gradients are then thousands of times larger than the later ones would have to be, and one
    step throws the weights far away.

    ## Symptoms
    The first loss is far above that of guessing, the next one is NaN or larger still; only tiny
    learning rates survive, and with them nothing is learnt.

    ## Causes
    - `nn.init.normal_(weight)` with its standard deviation of 1, or any that ignores the width.
    - Residual sums without normalisation; recurrent weights with a spectral radius above one.

    ## When not to worry
    Adam divides the size of the gradient out and trained a net with a light of 640. A single
    large gradient, from one odd batch, is a spike and no explosion. A first layer with a large
    gradient next to normal ones reflects the scale of the inputs, not of the weights.

    ## References
    - R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural networks,
      ICML 2013, arXiv 1211.5063.
    - K. He et al., Delving Deep into Rectifiers, ICCV 2015, arXiv 1502.01852.
    """

    family = "signal propagation"
    needs = (OUTPUT_GRAD, ACT_RMS, LOSS, Graph, Hygiene)
    caused_by = ("residual-stream-blowup", "wrong-sign", "eval-mode-forgotten")
    looks_like = {
        "wrong-sign": "With the wrong sign the loss rises first, and the gradient follows it.",
        "residual-stream-blowup": (
            "In a residual net the growth comes from branches that add in proportion to the stream."
        ),
        "init-loss-off": (
            "A first loss far from guessing can come with an even light: only the last layer is "
            "at fault."
        ),
        "input-scale": (
            "Large inputs give the first layer a large gradient, and the layers after it grow no "
            "further."
        ),
        "lr-too-high": (
            "Too high a rate begins with an even light, and a smaller rate trains well in a replay."
        ),
        "nonfinite-loss": "A NaN that one operation makes has ordinary sizes before it.",
    }
    loud: float = limit(
        1e2,
        why="over 21 nets of 16 layers SGD trained all nine with a light from 0.02 to 90; at 640 "
        "every rate ended in NaN",
    )
    one_layer: float = limit(
        0.6, why="a product of many factors: one layer with most of the growth has another cause"
    )
    absurd: float = limit(
        1e6,
        why="size of an activation: gated cells stay within 1, a recurrent net that "
        "flew off under a rate of 0.05 reached 1e9 after five steps",
    )
    prescriptions = (
        Prescription(
            "Initialise for the activation and the width: "
            "`nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')`, or keep the default.",
            "Each layer then keeps the size of the signal.",
            "the weights are pretrained",
            edits=("initialise",),
        ),
        Prescription(
            "Normalise inside the blocks (LayerNorm or BatchNorm).",
            "The scale is set anew in every block and cannot pile up.",
            edits=("insert-norm",),
        ),
        Prescription(
            "In a recurrent cell use tanh instead of relu, or `nn.LSTM` as it is.",
            "Its output then stays within 1, however often the cell is applied.",
            "the layers are no loop",
            edits=("swap-activation",),
        ),
        Prescription(
            "Clip: `torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)` before the step.",
            "It bounds what a rare large gradient can do.",
            "the gradient is large at every step: clipping then only hides it",
            edits=("clip-gradients",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, features, width, depth = 4, 20, 128, 14
centres = 1.5 * torch.randn(classes, features)
labels = torch.randint(0, classes, (2500,))
inputs = centres[labels] + torch.randn(2500, features)
train_x, train_y, val_x, val_y = inputs[:2000], labels[:2000], inputs[2000:], labels[2000:]

sizes = [features] + [width] * depth
layers = []
for wide, tall in zip(sizes, sizes[1:]):
    linear = nn.Linear(wide, tall)
    nn.init.normal_(linear.weight, std=0.25)
    nn.init.zeros_(linear.bias)
    layers += [linear, nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(width, classes))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)

for epoch in range(6):
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
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "nn.init.normal_(linear.weight, std=0.25)",
                'nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")',
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        outcome, seen = verdict(run), progress(run)
        wasted = seen is not None and seen.chance is not None and seen.end > seen.chance
        if outcome != "ruined" and not wasted:
            return
        severity: Severity = "critical" if outcome == "ruined" else "warning"
        for chain in chains(run):
            backward = tuple(_first(s) for s in chain.light)
            forward = tuple(_first(s) for s in chain.rms)
            if self._grows(tuple(reversed(backward))):
                growth = backward[0] or 0.0
                says = self._says(run, chain, "gradients", "back to the first", growth)
                yield self._finding(run, says, "light", chain.layers[0], growth, severity)
                return
            if self._grows(forward):
                growth = (forward[-1] or 0.0) / (forward[0] or 1.0)
                says = self._says(run, chain, "activations", "forward to the last", growth)
                yield self._finding(run, says, "act_rms", chain.layers[-1], growth, severity)
                return
        if seen is not None and seen.worse:
            yield from self._in_time(run)

    def _grows(self, values: tuple[float | None, ...]) -> bool:
        """Whether a signal grows over the chain, in the order given, by enough and by degrees."""
        ends = values[0], values[-1]
        if ends[0] is None or ends[1] is None or not 0 < ends[0] < ends[1] / self.loud:
            return False
        return by_degrees(tuple(reversed(values)), self.one_layer)

    def _in_time(self, run: Run) -> Iterator[Finding]:
        """One cell applied many times is a deep stack with one factor."""
        loops = Counter(w.place(i) for w in islice(wirings(run), 1) for i in w.layers)
        cell, calls = max(loops.items(), key=lambda x: x[1], default=("", 0))
        sizes = [s.finite for s in run.every(ACT_RMS)] if calls >= LOOPS else []
        wild = [s for s in sizes if s and float(s.values.max()) > self.absurd]
        if wild:
            largest = max(float(s.values.max()) for s in wild)
            first = min(int(s.steps[s.values > self.absurd][0]) for s in wild)
            says = f"{cell} is applied {calls} times over, and its outcome reaches {largest:.0e}"
            yield self._finding(run, says, "act_rms", cell, largest, "critical", first)

    def _says(self, run: Run, chain: Chain, noun: str, way: str, growth: float) -> str:
        factor = growth ** (1 / (len(chain) - 1))
        seen = progress(run)
        became = ""
        if seen is not None and seen.broken is not None:
            became = f", and at step {seen.broken} the loss is no number any more"
        elif seen is not None and seen.chance is not None and seen.first > seen.chance:
            became = f"; the loss begins at {seen.first:.3g} where guessing gives {seen.chance:.3g}"
        return (
            f"Before any training the {noun} grow {fold(growth)} on the way {way} layer, by a "
            f"factor of {factor:.2g} at each of {len(chain)} layers{became}"
        )

    def _finding(
        self, run: Run, says: str, signal: str, at: str, value: float, how: Severity, first: int = 0
    ) -> Finding:
        border = self.absurd if first else self.loud
        module = run.module(at)
        return self.finding(
            f"{says}.",
            Evidence(signal, f"{value:.1e} at {at}", at, (first, first), value, border),
            severity=how,
            confidence=0.85 if first else 0.93,
            where=at,
            source=module.source if module is not None else "",
            first_step=first,
            prescriptions=(*clip_first(run), *self.prescriptions),
        )


def _first(series: Series) -> float | None:
    return float(series.values[0]) if series else None
