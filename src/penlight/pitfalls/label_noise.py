"""label-noise: see the card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penlight.core.facts import Exam
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class LabelNoise(Pitfall):
    """Part of the labels are wrong.

    Learning a language from a dictionary in which every sixth word was swapped: the language can
    still be learnt, but the exercises never come out.

    ## What happens
    The model first learns the rule that most labels follow. From then on it contradicts the wrong
    labels, surely and rightly, and is charged for it with every batch. In the end it learns them
    by heart, one by one, and bends the rule around them.

    ## Symptoms
    - The training loss stops well above zero, then falls slowly while validation gets worse.
    - Training accuracy below held-out accuracy, where the held-out labels are clean.
    - Errors where the model is surest, as many as where it is in doubt.

    ## Causes
    - Tired annotators, labels guessed by a program, an import that shifts a few lines.
    - Classes that annotators read in two ways.

    ## When not to worry
    Classes that overlap give errors, too, but these lie where the model is in doubt and die out
    with its certainty. Penlight counts what is left at full certainty, in the time before labels
    are learnt by heart. A few hard cases in a hundred are left in every real data set.

    ## References
    - C. Northcutt et al., Confident Learning, JAIR 2021; the cleanlab package.
    - D. Arpit et al., A Closer Look at Memorization in Deep Networks, ICML 2017.
    """

    family = "data"
    stands_alone = True
    needs = (Exam,)
    caused_by = (
        "misaligned-labels",
        "augmentation-breaks-labels",
        "nonfinite-or-corrupt-data",
        "not-shuffled",
        "lr-too-high",
        "exploding-gradient",
        "missing-zero-grad",
        "dropout-norm-misuse",
        "excessive-regularisation",
        "cross-sample-leak",
        "input-scale",
    )
    looks_like = {
        "misaligned-labels": "Mixed-up labels are nearly all wrong: no rule is learnt from them.",
        "overconfidence": "An overconfident model has learnt its training labels by heart.",
        "underfitting-capacity": "A model that is too small is in doubt where it is wrong.",
    }
    windows: float = limit(
        2, why="of rows that say so: wrong labels stay, one window of a young model is an accident"
    )
    share: float = limit(
        0.1,
        why="of the labels: the demo gives 0.22; at the catalogue's 0.05 the sound form of "
        "grad-accum-misnormalised, which errs on 5% of its rows, was accused on some machines",
    )
    most: float = limit(
        0.4, why="above that the labels follow no rule that the model has found: another fault"
    )
    gain: float = limit(
        20.0,
        why="twice the gain in log-likelihood over errors that die out with certainty: one chance "
        "in 100,000 by chi-square with one degree; the demo gives 44",
    )
    wrong: float = limit(
        0.4, why="of a window's rows: before the rule is learnt, certainty means nothing"
    )
    better: float = limit(
        0.8,
        why="of the errors of naming the most frequent class: a model that does no more than that "
        "contradicts the rarer classes however sure it is (credit_trainer, benchmarks/healthy)",
    )
    even: float = limit(
        0.5,
        why="errors among the surest quarter of the rows over errors of all: the demo gives 0.9, "
        "healthy scripts with learnt rows under 0.25 (benchmarks/healthy: finetune_tiny_lr 0.16)",
    )
    prescriptions = (
        Prescription(
            "Look at the two hundred training rows with the greatest loss after the first epochs, "
            "and correct or drop those with a wrong label (cleanlab sorts them).",
            "Wrong labels stand at the top of that list as long as none is known by heart.",
            "a small class makes up most of the list: these may be hard, not wrong",
        ),
        Prescription(
            "Stop before the wrong labels are learnt by heart: keep the weights of the best pass "
            "over clean held-out rows.",
            "The rule is learnt first.",
            edits=("early-stopping",),
        ),
        Prescription(
            "Use nn.CrossEntropyLoss(label_smoothing=0.1).",
            "A wrong label then pulls with limited force.",
            "the labels are clean",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 5
centres = torch.randn(classes, 20)
labels = torch.randint(0, classes, (2400,))
features = centres[labels] + torch.randn(2400, 20)
train_x, val_x = features[:1600], features[1600:]
train_y, val_y = labels[:1600], labels[1600:]

guessed = torch.rand(1600) < 0.3  # an annotator who was in a hurry
train_y = torch.where(guessed, torch.randint(0, classes, (1600,)), train_y)

model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, classes))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(30):
    model.train()
    for rows in torch.randperm(1600).split(40):
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
        cure=(
            (
                (
                    "guessed = torch.rand(1600) < 0.3  # an annotator who was in a hurry\n"
                    "train_y = torch.where(guessed, torch.randint(0, classes, (1600,)), train_y)\n"
                ),
                "",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam = run.exam("mistaken")
        windows: list[dict[str, Any]] = exam.values["windows"] if exam is not None else []
        found = [
            w
            for w in windows
            if w["step"] > 0  # the errors of an untrained model say nothing of the labels
            and self.share < w["share"] < self.most
            and w["gain"] > self.gain
            and w["wrong"] < min(self.wrong, self.better * w.get("blank", 1.0))
            and self.even < w["surest"] / w["wrong"] < 1 / self.even
        ]
        if len(found) < self.windows or len(run.optimizers) > 1:
            return  # of two players each is the other's noise
        best = max(found, key=lambda w: float(w["gain"]))
        yield self.finding(
            f"About {best['share']:.0%} of the training labels contradict the model however sure "
            "it is: they are probably wrong.",
            Evidence(
                "exam",
                f"of {best['rows']} training rows from step {best['step']} on {best['wrong']:.0%} "
                f"were named otherwise than labelled, and of the quarter that the model was surest "
                f"of {best['surest']:.0%}; errors of doubt would die out there (chi-square "
                f"{best['gain']:.0f})",
                steps=(int(best["step"]), int(best["step"])),
                value=float(best["share"]),
                limit=self.share,
            ),
            severity="warning",
            confidence=0.8,
            first_step=int(found[0]["step"]),
        )
