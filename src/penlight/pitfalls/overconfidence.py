"""overconfidence: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Exam, Predictions
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class Overconfidence(Pitfall):
    """The model is far surer of its answers than it is right.

    A weather forecaster who says "100%" every day: often right, and when it rains all the same,
    nobody had an umbrella.

    ## What happens
    Once all training samples are named rightly, the loss can only fall further by larger logits.
    The answers stay the same, and their stated probabilities move towards 0 and 1. On new samples
    the wrong answers are then given with the same certainty as the right ones, and each costs a
    multiple of what an honest doubt would.

    ## Symptoms
    - Held-out loss high or rising while accuracy stays.
    - Mean stated probability far above the share of right answers.
    - One number that divides all logits lowers the held-out loss by much.

    ## Causes
    - Training on after the training samples are learnt; no weight decay, no label smoothing.
    - Few samples, noisy labels.

    ## When not to worry
    Who only needs the most likely class loses nothing. A temperature below 1, too little
    confidence, comes from smoothing or distillation and is not reported.

    ## References
    - C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """

    family = "generalisation"
    stands_alone = True
    needs = (Exam, Predictions)
    caused_by = (
        "overfitting",
        "label-noise",
        "misaligned-labels",
        "distribution-shift",
        "augmentation-breaks-labels",
        "train-val-leakage",
        "not-shuffled",
        "eval-mode-forgotten",
        "dropout-norm-misuse",
        "bn-stale-or-small-batch",
        "class-imbalance-collapse",
        "cross-sample-leak",
        "lr-too-high",
        "exploding-gradient",
        "input-scale",
        "init-loss-off",
        "residual-stream-blowup",
    )
    looks_like = {
        "label-noise": (
            "Wrong labels are errors at every degree of certainty, in training as well, before "
            "they are learnt by heart."
        ),
        "overfitting": "Overfitting costs right answers, too, and no single number repairs it.",
    }
    hot: float = limit(
        1.5,
        why="best number to divide the logits by: 1.26 for a healthy net on 4,000 samples, 7.3 for "
        "one that learnt 60 by heart (catalogue)",
    )
    t: float = limit(
        4.0, why="of the gain over the samples of the other half: one chance in 30,000"
    )
    gap: float = limit(
        0.1,
        why="stated probability minus share of right answers, means over the held-out samples: "
        "nets of 2016 on CIFAR-100 stood at 0.17, on smaller tasks under 0.05 (Guo et al.)",
    )
    good: float = limit(
        0.5,
        why="share of the errors of guessing that the answers avoid: below, the answers are the "
        "trouble, as in the overfitted sound form of TYP-augment-before-split (0.24)",
    )
    some: float = limit(
        0.1, why="the same: below it the model has learnt next to nothing, and that is the finding"
    )
    costly: float = limit(
        1.0,
        why="of the loss of a guess by class frequency: from there on the stated probabilities are "
        "worth less than none, although the answers are good",
    )
    rows: float = limit(200, why="held-out samples: half of them choose the temperature")
    prescriptions = (
        Prescription(
            "Divide the logits by one number, chosen on held-out samples: minimise "
            "cross_entropy(logits / t, labels) over t, and keep t for good.",
            "It changes no answer, only how sure it is said.",
            "only the most likely class is ever used",
        ),
        Prescription(
            "Keep the weights of the best validation loss, not of the last epoch.",
            "Certainty grows last, after the answers have settled.",
            edits=("early-stopping",),
        ),
        Prescription(
            "Train with nn.CrossEntropyLoss(label_smoothing=0.1), or more weight decay.",
            "The loss then has its least value at finite logits.",
            "the outputs teach another network",
            edits=("weight-decay",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 3
centres = 0.6 * torch.randn(classes, 12)
labels = torch.randint(0, classes, (2000,))
features = centres[labels] + torch.randn(2000, 12)
train_x, train_y = features[:600], labels[:600]
check_x, check_y = features[600:1100], labels[600:1100]
test_x, test_y = features[1100:], labels[1100:]

model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(80):
    for rows in torch.randperm(600).split(30):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
print(f"training loss {loss.item():.3f}")

model.eval()
temperature = 1.0
with torch.no_grad():
    scores = model(test_x) / temperature
    test_loss = loss_fn(scores, test_y).item()
    accuracy = (scores.argmax(1) == test_y).float().mean().item()
print(f"test loss {test_loss:.3f}, accuracy {accuracy:.3f}")
print("RESULT " + json.dumps({"metric": "test loss", "value": test_loss}))
""",
        cure=(
            (
                "temperature = 1.0\n",
                (
                    "with torch.no_grad():\n"
                    "    scores = model(check_x)\n"
                    "    grid = torch.logspace(-1, 1.5, 100)\n"
                    "    costs = [nn.functional.cross_entropy(scores / t, check_y) for t in grid]\n"
                    "temperature = grid[int(torch.stack(costs).argmin())]\n"
                ),
            ),
        ),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam = run.exam("temperature")
        if exam is None:
            return
        v = {name: float(value) for name, value in exam.values.items()}
        if not all(map(math.isfinite, v.values())):
            return
        if v["t"] < self.hot or v["paired_t"] < self.t or v["rows"] < self.rows:
            return
        gap, skill = v["sure"] - v["right"], (v["right"] - v["guess"]) / (1 - v["guess"] + 1e-9)
        if skill < self.some:
            return
        costly = v["loss"] > self.costly * v["entropy"] and skill > self.good
        alarm = costly and gap > self.gap
        yield self.finding(
            f"On held-out samples the model is {v['sure']:.0%} sure on average and "
            f"{v['right']:.0%} right; with its logits divided by {v['t']:.2g} the loss falls from "
            f"{v['loss']:.3g} to {v['cooled']:.3g}.",
            Evidence(
                "exam",
                f"loss on one half of {v['rows']:.0f} held-out samples, the number chosen on the "
                f"other half (paired t = {v['paired_t']:.1f})",
                steps=(int(v["step"]), int(v["step"])),
                value=v["t"],
                limit=self.hot,
            ),
            Evidence(
                "exam",
                f"a guess by class frequency alone would cost {v['entropy']:.3g}",
                value=v["loss"],
                limit=self.costly * v["entropy"],
            ),
            Evidence(
                "exam",
                "mean stated probability of the answer minus share of right answers",
                value=gap,
                limit=self.gap,
            ),
            severity="warning" if alarm else "note",
            confidence=0.85 if alarm else 0.6,
            first_step=int(v["step"]),
        )
