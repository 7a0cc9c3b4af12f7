"""augmentation-breaks-labels: see the card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penlight.core.facts import Exam, Inputs, Predictions
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.pitfalls._shift import shift


class AugmentationBreaksLabels(Pitfall):
    """The augmentation changes what the label means, or leaves nothing of it to see.

    Mirroring the picture of an arrow and keeping the word "left" under it: whoever learns from
    such pictures learns that the direction does not matter.

    ## What happens
    An augmentation promises the model that a change is of no importance: mirrored, noisy or
    half covered, the label is the same. Where the promise is false, the training rows contradict
    each other, and the model learns to ignore just what tells the classes apart. Where the change
    is too strong, the rows still carry their labels, but nobody could read them off.

    ## Symptoms
    - Training and clean held-out score are both low; without augmentation both rise.
    - A pair of classes is confused, such as 6 and 9, left and right, b and d.
    - A simple model of the clean rows beats the network.

    ## Causes
    - Flips and turns where the direction is the class; crops that cut the object away.
    - Noise, erasing or colour jitter of the size of the signal.
    - A transform in the wrong order, such as noise made for 0..255 added to 0..1.
    - Random flips drawn once for the picture and once more for its box or mask.

    ## When not to worry
    Training score below held-out score is what a good augmentation does. It is only reported where
    the network does worse on clean rows than a small learner that saw a few hundred of them; or
    where a box or a mask is mirrored or turned at other times than the picture that it belongs to.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks (2019): labels that were not flipped along.
    - M. Nikanjam et al., Automatic Fault Detection for Deep Learning Programs, TOSEM 2022.
    """

    family = "data"
    stands_alone = True
    needs = (Exam, Predictions, Inputs)
    caused_by = ("nonfinite-or-corrupt-data",)
    looks_like = {
        "distribution-shift": (
            "A shift shows in rows that come again unchanged; an augmentation makes each one anew."
        ),
        "misaligned-labels": "Mixed-up labels belong to rows that come again unchanged.",
        "underfitting-capacity": (
            "A model that is too small fails on clean training rows as well, whoever drew them."
        ),
    }
    known: float = limit(
        0.3,
        why="of the errors of naming the most frequent class that a small learner must avoid on "
        "clean held-out rows: without that nobody knows that they can be told apart; and after "
        "training rows, to be asked about turns",
    )
    told: float = limit(
        0.1,
        why="errors per row that a turn of clean pictures must cost: a turn that keeps the "
        "labels costs a small learner next to nothing on symmetric pictures",
    )
    ignored: float = limit(
        0.3,
        why="of that, what the same turn costs a learner of the training rows: 0 when they come in "
        "both ways, as much as the other learner pays when they do not",
    )
    pairs: int = limit(
        30,
        why="rows with one picture up to a flip, at least: where flips of picture and target are "
        "drawn apart, half of these or more contradict each other, so that so many always show it",
    )
    apart: float = limit(
        0.25,
        why="of these pairs, whose targets do not follow the flip: none at all where both are "
        "flipped together, half where one flip is drawn twice, three quarters where two are",
    )
    reflected: float = limit(
        0.1,
        why="of these pairs, whose targets are mirrored at all: none where the target is one that "
        "a flip does not change, such as a class or a count; likewise whose pictures are, where "
        "targets are numbers",
    )
    fitting: float = limit(
        0.25,
        why="from one half, of the contradicting targets that the model's output is nearer to than "
        "to what would follow the picture: none where the picture does not tell (0.06 in "
        "GH11-keras-retinanet-150), all of it where the output belongs to another picture than "
        "the one seen here, as with two passes a step",
    )
    looked: int = limit(
        40, why="masks that fit their picture clearly, at least: a share of fewer is uncertain"
    )
    clearly: float = limit(
        0.2,
        why="of all masks: one in twenty does so by chance, an eighth of these as they lie. With a "
        "fifth of all a sound training keeps 0.78 at worst; two had 0.99 and 1.00",
    )
    own: float = limit(
        0.6,
        why="of these, the share whose mask fits as it lies: half where one flip is drawn twice, a "
        "quarter where two are (0.29 in WB14-2068558)",
    )
    ruled: float = limit(
        0.05,
        why="likewise, at least: where none does, pictures and masks differ by one rule, which "
        "can be learnt",
    )
    prescriptions = (
        Prescription(
            "Look at twenty augmented rows with their labels, as they enter the model.",
            "What you cannot read yourself the model cannot learn.",
        ),
        Prescription(
            "Drop the transform, or use it only for classes that it maps onto themselves; or "
            "change the label, too.",
            "A promise that holds for all rows but these harms these.",
            edits=("drop-augmentation",),
        ),
        Prescription(
            "Halve the strength until training accuracy without dropout comes close to that on "
            "clean rows.",
            "Noise of the size of the signal leaves no signal.",
        ),
    )
    _draw_once = (
        Prescription(
            "Draw the parameters of the transform once per row, and use them for the picture and "
            "for its target alike.",
            "A box or a mask only says where things are as long as it is moved with the picture.",
        ),
        Prescription(
            "Draw twenty augmented pictures with their boxes or masks on top.",
            "What lies beside its object is seen at a glance.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
SIDE = 10


def arrows(count):
    \"\"\"Pictures of arrows that point left (0), right (1), up (2) or down (3).\"\"\"
    labels = torch.randint(0, 4, (count,))
    pictures = 0.3 * torch.randn(count, 1, SIDE, SIDE)
    for picture, label in zip(pictures, labels):
        row, length = int(torch.randint(3, 7, ())), int(torch.randint(6, 10, ()))
        arrow = torch.zeros(SIDE, SIDE)
        arrow[row, :length] = 1
        for k in range(1, 4):
            arrow[row - k, k] = arrow[row + k, k] = 1
        turns = {0: arrow, 1: arrow.flip(1), 2: arrow.T, 3: arrow.T.flip(0)}
        picture[0] += turns[int(label)]
    return pictures, labels


def augment(x):
    mirror = torch.rand(len(x)) < 0.5
    return torch.where(mirror[:, None, None, None], x.flip(3), x) + 0.1 * torch.randn_like(x)


train_x, train_y = arrows(800)
val_x, val_y = arrows(400)
model = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 4)
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(12):
    model.train()
    for rows in torch.randperm(800).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(augment(train_x[rows])), train_y[rows])
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
                    "    mirror = torch.rand(len(x)) < 0.5\n"
                    "    return torch.where(mirror[:, None, None, None], x.flip(3), x) + "
                ),
                "    return x + ",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        found = self._apart(run) or self._facing(run) or self._harmful(run)
        if found is not None:
            yield found

    def _apart(self, run: Run) -> Finding | None:
        """Pictures and their targets are flipped each in its own way."""
        exam = run.exam("mirrored")
        if exam is None:
            return None
        v = exam.values
        pairs, apart, reflected = int(v["pairs"]), int(v["apart"]), int(v["reflected"])
        if pairs < self.pairs or apart <= self.apart * pairs or reflected < self.reflected * pairs:
            return None
        if not v["masks"] and int(v["flipped"]) < self.reflected * pairs:
            return None  # numbers with two signs: only masks are proof enough without a flip
        if abs(float(v["fitting"]) - 0.5) > self.fitting:
            return None  # the output knows which: something beside the picture tells it
        name = "mask" if v["masks"] else "target"
        return self.finding(
            f"Picture and {name} are flipped apart: of {pairs} times that a training picture came "
            f"again, as it was or mirrored, its {name} did not follow in {apart / pairs:.0%}.",
            Evidence(
                "mirrored",
                f"{apart} of {pairs} pairs of rows with the same picture up to a flip have targets "
                f"that contradict this flip ({v['flipped']} pictures and {reflected} targets are "
                "mirrored); flipped together, none would",
                steps=(0, exam.step),
                value=apart / pairs,
                limit=self.apart,
            ),
            Evidence(
                "mirrored",
                f"the model's output is nearer to such a target than to the one that would follow "
                f"the picture in {v['fitting']:.0%}: it cannot know",
                value=float(v["fitting"]),
                limit=0.5 + self.fitting,
            ),
            severity="critical",
            confidence=0.95,
            first_step=0,
            prescriptions=self._draw_once,
        )

    def _facing(self, run: Run) -> Finding | None:
        """Masks that fit their pictures in one mirror image or another."""
        exam = run.exam("facing")
        if exam is None:
            return None
        v = exam.values
        rows, clear, own = int(v["rows"]), int(v["clearly"]), int(v["own"])
        if clear < max(self.looked, self.clearly * rows):
            return None
        if not self.ruled <= own / clear <= self.own:
            return None
        if float(v["fitting"]) > 0.5 + self.fitting:
            return None  # the output knows which: something beside the picture tells it
        return self.finding(
            "Picture and mask are flipped or turned apart: only "
            f"{own / clear:.0%} of the masks that go with their picture do so as they lie, the "
            "others in one of their mirror images.",
            Evidence(
                "facing",
                f"{clear} of {rows} masks go with the brightness of their picture, {own} as they "
                "lie; flipped together, nearly all would",
                steps=(0, exam.step),
                value=own / clear,
                limit=self.own,
            ),
            severity="critical",
            confidence=0.9,
            first_step=0,
            prescriptions=self._draw_once,
        )

    def _harmful(self, run: Run) -> Finding | None:
        """What the augmented rows teach does not hold for clean ones."""
        seen = shift(run)
        if seen is None or not seen.drawn_anew or not seen.lost or not seen.beaten:
            return None
        if seen.own > (1 - self.known) * seen.blank:
            return None
        reads = seen.outside < (1 - self.known) * seen.blank
        turn = self._turn(run) if reads else None
        if turn is not None:
            says = (
                f"The training pictures are {turn[0]} at random, which makes class {turn[1]} look "
                f"like class {turn[2]}: the label no longer fits the picture."
            )
        else:
            says = (
                "What the augmented training rows teach does not hold for clean rows: the "
                "augmentation breaks the labels, or covers what they are about."
            )
        return self.finding(
            says,
            *seen.evidence,
            *self._repeats(run),
            severity="critical",
            confidence=0.9 if turn is not None else 0.8,
            first_step=0,
        )

    def _turn(self, run: Run) -> tuple[str, int, int] | None:
        """The turn that training rows call nothing, held-out rows another class; from, to."""
        exam = run.exam("shift")
        ways: dict[str, Any] = exam.values.get("turned", {}) if exam is not None else {}
        guilty = [
            (-way["held_out"], name, way["from"], way["to"])
            for name, way in ways.items()
            if way["held_out"] > self.told and way["training"] < self.ignored * way["held_out"]
        ]
        if not guilty:
            return None
        _, name, one, other = min(guilty)
        return name, int(one), int(other)

    @staticmethod
    def _repeats(run: Run) -> tuple[Evidence, ...]:
        seen = max(run.inputs, key=lambda i: i.samples)
        return (
            Evidence(
                "inputs",
                f"none of {seen.samples} training rows came again as it was: they are changed at "
                "random",
                value=seen.repeated_rows,
            ),
        )
