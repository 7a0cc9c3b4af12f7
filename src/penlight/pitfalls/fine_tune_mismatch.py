"""fine-tune-mismatch: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from penlight.core.facts import Exam, Parameter, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.pitfalls._curves import chance_loss


class FineTuneMismatch(Pitfall):
    """A trained model is fed in another convention than the one it was trained in.

    Handing a map in miles to somebody who reads kilometres: every turn is right, and every one
    comes too early.

    ## What happens
    A model that was trained before expects its inputs as they were then: centred, divided by 255,
    with the channels in a certain order. Fed otherwise it knows much less than it could, and
    fine-tuning spends its first thousand steps on learning the new convention, at the price of
    what the weights knew.

    ## Symptoms
    - Worse than expected from step 0 on, and a long way to the score that was promised.
    - The same weights do well in the script that they came from.
    - Batch-norm statistics that swing during the first epochs.

    ## Causes
    - The mean and standard deviation of the first training were not used again.
    - 0..255 instead of 0..1, 0..1 instead of -1..1, BGR instead of RGB.
    - For text: another tokeniser, template or padding side. Penlight cannot see these.

    ## When not to worry
    A new head on a trained body knows nothing at the start in any convention; there this test
    stays silent. It asks only models that know their task before the first step, and compares
    conventions on the first training batches.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks (2019): forgot to use the original mean.
    """

    family = "data"
    stands_alone = True
    needs = (Exam, Parameter, Targets)
    looks_like = {
        "distribution-shift": (
            "A shift lies between training rows and held-out rows; here both are alike."
        ),
        "input-scale": (
            "Inputs off scale slow down a model from scratch as well, which knows nothing yet."
        ),
    }
    knows: float = limit(
        0.5,
        why="of the loss of a guess: a model that stays below it without a step was trained for "
        "the task; random weights never are, whatever their inputs",
    )
    gain: float = limit(
        0.2,
        why="share of the loss that another convention saves before the first step; twice the 10% "
        "of the catalogue, since the first batches also hold the noise of their labels",
    )
    t: float = limit(5.0, why="of the differences over at least 4 batches, as in the catalogue")
    weights: float = limit(
        64,
        why="with fewer of them a fresh model may know its task by luck: a single sigmoid unit on "
        "a step did on every second seed (SO5-58887284 of the published programs)",
    )
    prescriptions = (
        Prescription(
            "Feed the model as it was trained: take mean, standard deviation, range and channel "
            "order from the script or the processor that came with the weights.",
            "The weights mean what they mean only for such inputs.",
        ),
        Prescription(
            "Measure the loss of the loaded weights before the first step.",
            "It is lowest in the right convention, at no cost.",
        ),
        Prescription(
            "Start with a tenth of the learning rate and a warm-up.",
            "Less of what the weights know is overwritten in the first steps.",
            "the head is new",
            edits=("warmup",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 4
centres = torch.randn(classes, 16)


def collect(count):
    labels = torch.randint(0, classes, (count,))
    return 5 + 2 * (centres[labels] + 0.8 * torch.randn(count, 16)), labels


def net():
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, classes))


@torch.no_grad()
def pretrained():
    \"\"\"Weights as they come with a paper: fitted to inputs with mean 0 and deviation 1.\"\"\"
    (x, y), model = collect(2000), net()
    hidden = torch.cat([model[:2]((x - 5) / 2), torch.ones(2000, 1)], 1)
    goal = 8 * nn.functional.one_hot(y, classes) - 2.0
    solved = torch.linalg.lstsq(hidden, goal).solution
    model[2].weight.copy_(solved[:-1].T)
    model[2].bias.copy_(solved[-1])
    return model.state_dict()


weights = pretrained()
mean, std = 0.0, 1.0
train_x, train_y = collect(600)
val_x, val_y = collect(600)
train_x, val_x = (train_x - mean) / std, (val_x - mean) / std

model = net()
model.load_state_dict(weights)
optimizer = torch.optim.SGD(model.parameters(), lr=3e-4)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(3):
    model.train()
    for rows in torch.randperm(600).split(30):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = loss_fn(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: train {loss.item():.3f}, val {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("mean, std = 0.0, 1.0", "mean, std = 5.0, 2.0"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam, chance = run.exam("conventions"), chance_loss(run)
        if exam is None or not chance:
            return
        plain = float(exam.values["as it is"])
        turned: dict[str, dict[str, Any]] = exam.values["turned"]
        name, best = min(turned.items(), key=lambda pair: float(pair[1]["loss"]))
        if best["loss"] > self.knows * chance or best["t"] < self.t:
            return
        if best["loss"] > (1 - self.gain) * plain:
            return
        if sum(math.prod(p.shape) for p in run.parameters) < self.weights:
            return
        yield self.finding(
            f"Before the first step the model knows its task: its loss is {best['loss']:.3g} with "
            f"the input {name}, but {plain:.3g} as it is fed here (a guess costs {chance:.3g}).",
            Evidence(
                "exam",
                f"loss of the untouched weights on the first {exam.values['batches']} batches, "
                f"{name} (paired t = {best['t']:.1f})",
                steps=(0, 0),
                value=float(best["loss"]),
                limit=(1 - self.gain) * plain,
            ),
            severity="critical",
            confidence=0.92,
            first_step=0,
        )
