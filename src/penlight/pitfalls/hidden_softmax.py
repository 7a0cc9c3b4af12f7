"""hidden-softmax: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Graph, Module
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, LOSS
from penlight.pitfalls._curves import progress
from penlight.pitfalls._graph import BATCH_NORM, SHAPE, SOFTMAX, Wiring, wirings

# What may stand between the softmax and its neighbours without turning it into a gate.
BETWEEN = SHAPE | BATCH_NORM | {"NativeDropout"}


class HiddenSoftmax(Pitfall):
    """A softmax stands between two layers.

    A kitchen where the amounts of all ingredients must add up to one spoonful: with sixty on the
    shelf every dish gets a grain of each, and all dishes taste the same.

    ## What happens
    Softmax makes the units of a layer compete for a total of 1. With H units each is about 1/H,
    whatever the input: the signal loses its size and its differences, and the gradient is
    multiplied by about 1/H on the way back. The layers before it hardly learn.

    ## Symptoms
    - Slow or no progress; a net with fewer layers does better.
    - The light drops by a factor of the layer's width at one place.
    - All activations of the layer are close to 1 divided by its width.

    ## Causes
    - `Softmax` used as "an activation" in every layer.
    - A classification model whose old output layer was kept when a new one was put on top.

    ## When not to worry
    Attention, gates and mixtures of experts multiply features with the softmax: not counted here.
    Neither is a softmax that other paths lead around. A categorical bottleneck (a topic model, a
    discrete code) is deliberate; if the training fits well this is a note only.

    ## References
    - I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2.3: softmax as an output
      unit, and when to use it inside a model.
    """

    family = "architecture"
    needs = (Graph, Module, ACCURACY, LOSS)
    looks_like = {
        "double-softmax": (
            "Two softmaxes stand behind the last layer: one in the model, one in the loss."
        ),
        "vanishing-gradient": (
            "A vanishing gradient loses a like factor at every layer, and no softmax stands on "
            "the way."
        ),
    }
    prescriptions = (
        Prescription(
            "Replace the hidden softmax by nn.ReLU().",
            "ReLU lets each unit speak for itself and passes the gradient on undiminished.",
            "the layer is meant as a soft choice (attention, gate, categorical code)",
            edits=("hidden-relu",),
        ),
        Prescription(
            "Where an old classification head was kept: remove it and connect the features.",
            "Class probabilities are a narrow summary of what the net knows.",
        ),
    )
    fits: float = limit(
        0.9,
        why="a run that learnt nine tenths of its training data is not being held back; the "
        "demo's net reached 0.4 to 0.6 with the hidden softmax and above 0.9 without, on 3 seeds",
    )
    half: float = limit(
        0.5, why="a run that learnt less than half of what there is to learn is clearly held back"
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 8
centres = 1.3 * torch.randn(classes, 2, 12)
labels = torch.randint(0, classes, (2600,))
side = torch.randint(0, 2, (2600,))
data = centres[labels, side] + torch.randn(2600, 12)
train_x, train_y, test_x, test_y = data[:2000], labels[:2000], data[2000:], labels[2000:]

net = nn.Sequential(
    nn.Linear(12, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.Softmax(dim=1),
    nn.Linear(64, classes),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

for epoch in range(10):
    net.train()
    total = 0.0
    for rows in torch.randperm(len(train_x)).split(50):
        loss = criterion(net(train_x[rows]), train_y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    net.eval()
    with torch.no_grad():
        logits = net(test_x)
        test_loss = criterion(logits, test_y).item()
        accuracy = (logits.argmax(1) == test_y).float().mean().item()
    print(f"epoch {epoch}: train {total / 40:.3f}, test {test_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("    nn.Softmax(dim=1),\n", "    nn.ReLU(),\n"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for wiring in wirings(run):
            for i, name in enumerate(wiring.names):
                if name in SOFTMAX and i not in wiring.head and self._between(wiring, i):
                    yield self._finding(run, wiring, i)
                    return

    @staticmethod
    def _between(wiring: Wiring, i: int) -> bool:
        """Whether node i stands between two layers, as the only way through."""
        maker = wiring.below(i, BETWEEN)
        if maker is None or not wiring.is_layer(maker) or wiring.ops[i].shape[-1:] == (1,):
            return False
        fed = [j for j in wiring.layers if wiring.below(j, BETWEEN) == i]
        return bool(fed) and wiring.is_bottleneck(i)

    def _finding(self, run: Run, wiring: Wiring, i: int) -> Finding:
        op = wiring.ops[i]
        width = op.shape[-1] if op.shape else 0
        maker = wiring.below(i, BETWEEN)
        place = op.module or (wiring.place(maker) if maker is not None else "")
        seen = progress(run)
        fit = seen.learnt if seen is not None else None
        evidence = [
            Evidence(
                "graph",
                f"softmax over {width} units makes the only input of the next layer: "
                f"each unit is {1 / width:.2g} on average"
                if width
                else "softmax between layers",
                where=place,
                steps=(wiring.graph.step, wiring.graph.step),
                value=width,
            )
        ]
        if fit is not None:
            evidence.append(
                Evidence(
                    "fit",
                    f"in the end {max(fit, 0):.0%} of what there is to learn is learnt",
                    value=fit,
                    limit=self.fits,
                )
            )
        fine = fit is not None and fit >= self.fits
        poor = fit is not None and fit < self.half
        return self.finding(
            f"A softmax over {width} units ({place}) feeds the next layer: it makes the units "
            f"share a total of 1 and shrinks signal and gradient about {width}-fold.",
            *evidence,
            severity="note" if fine else "critical" if poor else "warning",
            confidence=0.95 if poor else 0.85,
            where=place,
            first_step=wiring.graph.step,
        )
