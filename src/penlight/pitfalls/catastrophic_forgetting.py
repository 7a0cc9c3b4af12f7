"""catastrophic-forgetting: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Exam, Predictions, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import loss_curve


class CatastrophicForgetting(Pitfall):
    """What was learnt first is wiped out by what is learnt now.

    Writing today's notes on the same whiteboard as yesterday's: they are easy to read, and
    yesterday is gone.

    ## What happens
    A network keeps nothing on purpose. Its weights are where the gradient of the newest batches
    wants them. When the data change for good, from one task, place or time to the next, nothing
    pulls the weights back to what the old data needed, and a few hundred steps undo the rest.

    ## Symptoms
    - A jump of the training loss where the data change, then a fast recovery.
    - The score on the old data falls to chance while the new one is splendid.
    - Only the last class, domain or day of a stream is known.

    ## Causes
    - Tasks, domains or classes trained one after the other, without any of the old data.
    - Fine-tuning of all weights at a rate as high as that of the first training.

    ## When not to worry
    If the old task is not needed any more, nothing is lost. Penlight speaks up as an alarm only
    where the script itself still measures the old data, and leaves a note otherwise.

    ## References
    - M. McCloskey and N. Cohen, Catastrophic interference in connectionist networks, 1989.
    - J. Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017.
    """

    family = "optimisation"
    stands_alone = True
    needs = (Exam, Predictions, Targets, LOSS, OBJECTIVE_LOSS)
    caused_by = (
        "not-shuffled",
        "nonfinite-loss",
        "exploding-gradient",
        "lr-too-high",
        "missing-zero-grad",
        "class-imbalance-collapse",
        "plasticity-loss",
    )
    looks_like = {
        "not-shuffled": "Sorted data come back in every epoch; here the old data never do.",
        "overfitting": "Overfitting keeps the training rows and loses new ones.",
        "plasticity-loss": "A worn network cannot learn the new data either.",
    }
    gone: float = limit(
        0.7,
        why="of the loss of untrained weights on the first batches, at the end of the run: next to "
        "nothing is left",
    )
    known: float = limit(
        0.4, why="of the same loss, at most: reached in training before, and on the newest batches"
    )
    lost: float = limit(
        0.2,
        why="of accuracy between the best and the last pass over one set of the script's: the "
        "catalogue lost 0.53 without, 0.11 with a sixth of old data",
    )
    sigmas: float = limit(5.0, why="standard errors of that difference, as in the catalogue")
    prescriptions = (
        Prescription(
            "Mix 10 to 20% of old rows into every new batch.",
            "A sixth of old data kept accuracy at 0.90 where it fell to 0.48 without (catalogue).",
            "the old data may not be kept",
        ),
        Prescription(
            "Fine-tune at a tenth of the rate, freeze the first layers, or train adapters.",
            "Less is overwritten.",
            "old and new have little in common",
            edits=("learning-rate",),
        ),
        Prescription(
            "Keep a copy of the old model and pull the new one's outputs on any inputs towards its "
            "(distillation), or its important weights (EWC).",
            "It stands in for data that are gone.",
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


def task():
    centres = 1.5 * torch.randn(classes, 16)
    labels = torch.randint(0, classes, (1000,))
    features = centres[labels] + torch.randn(1000, 16)
    return features[:700], labels[:700], features[700:], labels[700:]


old_x, old_y, old_val_x, old_val_y = task()
new_x, new_y, new_val_x, new_val_y = task()
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, classes))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.CrossEntropyLoss()


def train(x, y, epochs):
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(len(x)).split(35):
            optimizer.zero_grad()
            loss = loss_fn(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            old = (model(old_val_x).argmax(1) == old_val_y).float().mean().item()
            new = (model(new_val_x).argmax(1) == new_val_y).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.3f}, old task {old:.3f}, new task {new:.3f}")
    return (old + new) / 2


train(old_x, old_y, 6)
kept = 0
both = train(torch.cat([new_x, old_x[:kept]]), torch.cat([new_y, old_y[:kept]]), 12)
print("RESULT " + json.dumps({"metric": "mean accuracy on both tasks", "value": both}))
""",
        cure=(("kept = 0", "kept = 200"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam, curve = run.exam("forgotten"), loss_curve(run).finite
        if exam is None or len(curve) < 50:
            return
        v = {name: float(value) for name, value in exam.values.items()}
        if not all(map(math.isfinite, v.values())):
            return
        width = max(5, len(curve) // 50)
        sums = curve.values[: len(curve) // width * width].reshape(-1, width).mean(1)
        early = sums[: len(sums) * 2 // 3]
        best = float(early.min())
        if v["first"] < self.gone * v["untrained"] or v["last"] > self.known * v["untrained"]:
            return
        if best > self.known * v["untrained"] or v["untrained"] <= 0:
            return
        fallen = self._fallen(run)
        evidence = [
            Evidence(
                "exam",
                f"loss of the last weights on the first batches {v['first']:.3g}, on the newest "
                f"{v['last']:.3g}; of untrained weights {v['untrained']:.3g}",
                steps=(0, int(v["step"])),
                value=v["first"],
                limit=self.gone * v["untrained"],
            ),
            Evidence(
                "loss",
                "lowest mean training loss in the first two thirds of the run",
                value=best,
                limit=self.known * v["untrained"],
            ),
        ]
        says = (
            f"The data of the first steps were learnt (loss {best:.3g}) and are forgotten now: "
            f"{v['first']:.3g}, next to {v['last']:.3g} on the newest ones"
        )
        if fallen is not None:
            top, last = fallen
            evidence.append(
                Evidence(
                    "predictions",
                    f"of the same {last.samples} rows {top.accuracy:.0%} were right at step "
                    f"{top.step}, {last.accuracy:.0%} at step {last.step}",
                    where=last.objective,
                    steps=(top.step, last.step),
                    value=(top.accuracy or 0.0) - (last.accuracy or 0.0),
                    limit=self.lost,
                )
            )
            says += (
                f"; accuracy on a set that is still measured fell from {top.accuracy:.0%} to "
                f"{last.accuracy:.0%}"
            )
        yield self.finding(
            says + ".",
            *evidence,
            severity="critical" if fallen is not None else "note",
            confidence=0.9 if fallen is not None else 0.6,
            first_step=fallen[0].step if fallen is not None else 0,
        )

    def _fallen(self, run: Run) -> tuple[Predictions, Predictions] | None:
        """The best and the last pass over a set whose score was lost, or None."""
        groups: dict[tuple[str, int, tuple[int, ...]], list[Predictions]] = {}
        for seen in run.evaluations(held_out=False):
            if seen.accuracy is not None and seen.samples:
                groups.setdefault((seen.objective, seen.samples, seen.labels), []).append(seen)
        for passes in groups.values():
            top, last = max(passes, key=lambda p: p.accuracy or 0.0), passes[-1]
            best, now = top.accuracy or 0.0, last.accuracy or 0.0
            error = math.sqrt((best * (1 - best) + now * (1 - now) + 1e-6) / last.samples)
            if best - now > max(self.lost, self.sigmas * error):
                return top, last
        return None
