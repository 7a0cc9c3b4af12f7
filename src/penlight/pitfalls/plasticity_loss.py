"""plasticity-loss: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Exam, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import chance_loss, loss_curve


class PlasticityLoss(Pitfall):
    """The network has trained for so long that it can no longer learn anything new.

    A sponge that has been soaked and dried too often: it looks like a sponge, and the water stays
    on the table.

    ## What happens
    When the task changes again and again, each change pushes weights and biases further out. Units
    die, others saturate, the rest points in few directions, and the same gradient moves the
    outputs less and less. The network still works on what it has, but a fresh one of the same
    shape overtakes it on new data within a few steps.

    ## Symptoms
    - Every new task or phase takes longer than the one before, and ends at a higher loss.
    - More and more units that never fire; weights that keep growing.
    - Starting again from random weights is better than going on.

    ## Causes
    - Targets that move for a long time: reinforcement learning, continual learning, pseudo-labels.
    - A learning rate that is too high for so long a run; no weight decay, no normalisation.

    ## When not to worry
    A run that was never able to learn has another fault. One on a single data set does not need
    to stay plastic: near its optimum there is nothing left to learn, and this test does not ask.

    ## References
    - C. Lyle et al., Understanding plasticity in neural networks, arXiv 2303.01486.
    - C. Lyle et al., Disentangling the Causes of Plasticity Loss, arXiv 2402.18762.
    - G. Sokar et al., The Dormant Neuron Phenomenon, arXiv 2302.12902.
    """

    family = "optimisation"
    needs = (Exam, Targets, LOSS, OBJECTIVE_LOSS)
    caused_by = (
        "nonfinite-loss",
        "dying-relu",
        "saturated-activation",
        "exploding-gradient",
        "lr-schedule-exhausted",
        "missing-zero-grad",
        "excessive-regularisation",
        "lr-too-high",
        "class-imbalance-collapse",
    )
    looks_like = {
        "catastrophic-forgetting": "A network that forgets learns new data fast.",
        "dying-relu": (
            "Dead units alone stop a run that never learnt; here the run learnt well before."
        ),
        "lr-schedule-exhausted": (
            "At an exhausted rate the last weights learn again as soon as the rate is set back."
        ),
    }
    ahead: float = limit(
        0.2,
        why="of the loss of a guess by which fresh weights must be ahead after the same steps at "
        "the same rate on the same batches (the catalogue's 0.2, there in accuracy)",
    )
    learnt: float = limit(
        0.5,
        why="of the loss of a guess below which the run must have been before: it could learn then",
    )
    worse: float = limit(
        0.5, why="of the loss of a guess above which the last weights must stand: they do not learn"
    )
    prescriptions = (
        Prescription(
            "Put nn.LayerNorm before each activation, and use weight decay.",
            "Units then cannot drift out of the range in which they react.",
            edits=("insert-norm",),
        ),
        Prescription(
            "Set dead or silent units back to fresh weights from time to time (ReDo), or pull all "
            "weights a little towards their first values.",
            "It gives back the units that new tasks need.",
        ),
        Prescription(
            "Lower the learning rate, or start the phase from fresh weights on old and new data.",
            "Each step then destroys less.",
            edits=("learning-rate",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
TASKS, STEPS = 10, 90
x = torch.randn(400, 16)


def task():
    \"\"\"The same inputs under a new question.\"\"\"
    return (x[:, torch.randperm(16)] @ torch.randn(16, 4)).argmax(1)


model = nn.Sequential(
    nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4)
)
rate = 0.03
optimizer = torch.optim.Adam(model.parameters(), lr=rate)
loss_fn = nn.CrossEntropyLoss()

for number in range(TASKS):
    y = task()
    for _ in range(STEPS):
        rows = torch.randint(0, 400, (50,))
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean().item()
    print(f"task {number}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy on the last task", "value": accuracy}))
""",
        cure=(("rate = 0.03", "rate = 0.003"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam, chance = run.exam("fresh"), chance_loss(run)
        curve = loss_curve(run).finite
        if exam is None or not chance or len(curve) < 50:
            return
        v = {name: float(value) for name, value in exam.values.items()}
        if not all(map(math.isfinite, v.values())) or v["fresh"] > (1 - self.ahead) * chance:
            return  # fresh weights do not learn it either
        lead = (min(v["veteran"], v["now"]) - v["fresh"]) / chance
        width = max(5, len(curve) // 50)
        sums = curve.values[: len(curve) // width * width].reshape(-1, width).mean(1)
        best = float(sums.min())
        if lead < self.ahead or v["veteran"] < self.worse * chance or best > self.learnt * chance:
            return
        step = int(curve.steps[int(sums.argmin()) * width])
        yield self.finding(
            f"Fresh weights learn the newest batches in {v['steps']:.0f} steps to a loss of "
            f"{v['fresh']:.3g}; those of this run, at the same rate, come to {v['veteran']:.3g}. "
            f"Around step {step} it still reached {best:.3g}.",
            Evidence(
                "exam",
                f"loss on the newest batches after {v['steps']:.0f} more steps on them: fresh "
                f"weights {v['fresh']:.3g}, the run's own {v['veteran']:.3g} (a guess costs "
                f"{chance:.3g})",
                steps=(int(v["step"]), int(v["step"])),
                value=lead,
                limit=self.ahead,
            ),
            Evidence(
                "objective_loss",
                "lowest mean training loss of the run",
                steps=(step, step),
                value=best,
                limit=self.learnt * chance,
            ),
            severity="critical",
            confidence=0.85,
            first_step=step,
        )
