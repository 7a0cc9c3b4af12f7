"""nonfinite-or-corrupt-data: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Inputs, NonFinite, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS

# What people write for "no value": an impossible run of nines.
SENTINELS = (-999.0, -9999.0, -99999.0, -999999.0, 99999.0, 999999.0)


class NonfiniteOrCorruptData(Pitfall):
    """The data hold NaN, stand-ins for missing values, or bytes that wrapped around.

    One rotten egg in the batter: the other eleven were fresh, and the whole cake is spoilt.

    ## What happens
    A single NaN in a batch makes the loss of the whole batch NaN, the gradient of every weight
    NaN, and with the next step the model is gone for good. A stand-in like -9999 is finite but
    hundreds of times larger than any real value: the first layer sees little else. And a byte
    from which too much is subtracted begins again at 255: 127 - 128 is the brightest pixel.

    ## Symptoms
    - The loss turns NaN at some step, at the same sample again when the seed is the same.
    - Single batches with an enormous loss.
    - Accuracy at chance after that: a comparison with NaN is always false.

    ## Causes
    - Missing values that were read as NaN, or written as -999 by a sensor or a survey.
    - Features made by dividing by zero or taking the log of zero; scaling a constant column.
    - Broken files, empty sequences.
    - (image - 128) / 128 on an array of bytes (uint8), which was meant for floats.

    ## When not to worry
    Models that mask missing values themselves may be fed NaN: as long as the loss stays finite it
    is only mentioned. Infinite entries of attention masks are no data.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks (2019): become one with the data.
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, ICSE 2020.
    """

    family = "data"
    stands_alone = True
    needs = (Inputs, Targets, NonFinite, Exam, LOSS)
    looks_like = {
        "ill-conditioned-op": "An unsafe formula makes its NaN itself, of data that are finite.",
        "input-scale": "Inputs on a foreign scale are so in all rows.",
        "nonfinite-loss": (
            "With sound data the first NaN is born inside the model, the loss or the step."
        ),
    }
    lone: float = limit(
        5.0,
        why="times the other extreme of the data: a stand-in is meant to be impossible, so it lies "
        "far outside; real features rarely end in a run of nines at all",
    )
    torn: float = limit(
        0.85,
        why="of the step between neighbouring pixels, once the bytes are wrapped back: 0.54 to "
        "0.81 for a photograph that had wrapped, 1.0 as it was and for noise; drawings in black on "
        "white fall below as well, and are told by the next two (tests/probe/test_wrapping.py)",
    )
    seam: float = limit(
        0.4,
        why="neighbours across the border that bytes wrap at, in parts of those across the next "
        "border: 0.57 to 1.02 for photographs that had wrapped, 0 as they were",
    )
    edge: float = limit(
        0.05,
        why="share of pixels that are black, or white: 0.75 of the handwritten digits, whose black "
        "and white are neighbours on the circle of bytes; wrapped, no level is as full",
    )
    prescriptions = (
        Prescription(
            "Look for the samples: bad = ~torch.isfinite(x).all(dim=1); print(bad.nonzero()).",
            "Counting them by feature shows at once whether a column or a file is broken.",
        ),
        Prescription(
            "Fill in or drop them before training: x = torch.where(x.isnan(), column_median, x).",
            "The median of the training part is a neutral value.",
            "that a value is missing tells something: then add a column that says so",
            edits=("fill-missing",),
        ),
    )
    _stand_in = (
        Prescription(
            "Turn the stand-in into a missing value, x[x == value] = nan, and fill it in before "
            "you compute mean and standard deviation.",
            "Left in, it decides the scale of its feature and of the first layer's gradient.",
        ),
    )
    _bytes = (
        Prescription(
            "Make the images floats before you compute with them: x = x.astype('float32'), or "
            "x = x.float() for a tensor; then (x - 128) / 128.",
            "Bytes have no minus: what falls below 0 goes on from 255 downwards.",
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
centres = 1.3 * torch.randn(classes, 12)
labels = torch.randint(0, classes, (2000,))
features = centres[labels] + torch.randn(2000, 12)
features[torch.rand(2000, 12) < 0.001] = float("nan")  # the sensor was off
train_x, train_y, test_x, test_y = features[:1500], labels[:1500], features[1500:], labels[1500:]

median = train_x.nanmedian(dim=0).values
test_x = torch.where(test_x.isnan(), median, test_x)

model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, classes))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(8):
    model.train()
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(test_x)
        accuracy = (scores.argmax(1) == test_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, test accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "test_x = torch.where(test_x.isnan(), median, test_x)",
                "train_x, test_x = (torch.where(x.isnan(), median, x) for x in (train_x, test_x))",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        born = run.all(NonFinite)
        births = [b for b in born if b.direction == "input"]
        holed = next((i for i in run.inputs if i.nonfinite), None)
        if born and not births:
            holed = None  # what one model hands to another after that is no data
        broken = self._broken_step(run)
        targets = next((t for t in run.all(Targets) if any(map(math.isnan, t.mean))), None)
        if births or holed is not None:
            yield self._inputs(births, holed, broken)
        elif targets is not None and broken is not None:
            yield self.finding(
                f"The targets given to {targets.objective} hold NaN or infinity.",
                Evidence(
                    "targets",
                    f"not all of {targets.samples} targets are finite",
                    where=targets.objective,
                ),
                Evidence("loss", f"first non-finite loss at step {broken}", steps=(broken, broken)),
                confidence=0.99,
                exact=True,
                where=targets.objective,
                first_step=broken,
            )
        else:
            yield from self._stand_ins(run)
            yield from self._wrapped(run)

    def _inputs(self, births: list[NonFinite], holed: Inputs | None, broken: int | None) -> Finding:
        evidence = []
        if holed is not None:
            evidence.append(
                Evidence(
                    "inputs",
                    f"{holed.nonfinite} non-finite values in the first {holed.samples} samples",
                    where=holed.root,
                    value=holed.nonfinite,
                    limit=0,
                )
            )
        for b in births[:1]:
            rows = f", rows {', '.join(map(str, b.rows))} of the batch" if b.rows else ""
            says = f"the batch of step {b.step} holds NaN or infinity{rows}"
            evidence.append(Evidence("nonfinite", says, b.module, (b.step, b.step)))
            broken = b.step if broken is None else broken
        if broken is None:
            return self.finding(
                "The inputs hold NaN or infinity, but the loss stays finite: the model seems to "
                "mask them.",
                *evidence,
                severity="note",
                confidence=0.9,
            )
        evidence.append(
            Evidence("loss", f"first non-finite loss at step {broken}", steps=(broken, broken))
        )
        count = f"{holed.nonfinite} values" if holed is not None else "some values"
        return self.finding(
            f"The training data hold NaN or infinity ({count}), and from step {broken} on so does "
            "the loss.",
            *evidence,
            confidence=0.99,
            exact=True,
            first_step=broken,
        )

    def _stand_ins(self, run: Run) -> Iterator[Finding]:
        for seen in run.inputs:
            if seen.embedded or not seen.samples:
                continue
            for value, other in ((seen.min, seen.max), (seen.max, seen.min)):
                if value in SENTINELS and abs(value) > self.lone * abs(other):
                    yield self.finding(
                        f"The inputs contain {value:g}, which looks like a stand-in for a missing "
                        f"value: all else ends at {other:g}.",
                        Evidence(
                            "inputs",
                            f"extremes {seen.min:g} and {seen.max:g} over {seen.samples} samples",
                            where=seen.root,
                            value=value,
                            limit=other,
                        ),
                        severity="warning",
                        confidence=0.85,
                        first_step=0,
                        prescriptions=self._stand_in,
                    )

    def _wrapped(self, run: Run) -> Iterator[Finding]:
        exam = run.exam("wrapped")
        if exam is None:
            return
        closer, seam, edge, shift = (exam.values[k] for k in ("closer", "seam", "edge", "shift"))
        if closer >= self.torn or seam < self.seam or edge > self.edge:
            return
        yield self.finding(
            f"The pixels are bytes that wrapped around: {shift} was subtracted from them, and what "
            "fell below 0 begins again at 255.",
            Evidence(
                "wrapped",
                f"with {shift} added again, as bytes, neighbouring pixels are {1 - closer:.0%} "
                "closer to each other",
                value=closer,
                limit=self.torn,
            ),
            confidence=0.95,
            first_step=0,
            prescriptions=self._bytes,
        )

    @staticmethod
    def _broken_step(run: Run) -> int | None:
        """First step with a non-finite loss, None when there is none."""
        steps = [
            int(s.steps[~np.isfinite(s.values)][0])
            for s in run.every(LOSS)
            if not np.isfinite(s.values).all()
        ]
        return min(steps, default=None)
