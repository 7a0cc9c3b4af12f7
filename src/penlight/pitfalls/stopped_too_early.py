"""The run ended while it was still learning fast."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Exam, Hygiene
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, EXPLAINED, LOSS
from penlight.pitfalls._curves import Progress, progress, score
from penlight.pitfalls._rates import Rates, rates


class StoppedTooEarly(Pitfall):
    """The training stopped while the loss was still falling fast.

    The cake left the oven after five minutes: nothing is wrong with the recipe, the dough is
    rising, and it is not a cake yet.

    ## What happens
    Learning has begun and goes on at full speed, and the loop ends. What the script then measures
    is not what the model can do but how far it happened to get.

    ## Symptoms
    - The loss falls as fast at the end as before; its curve has not begun to bend.
    - Training and validation are equally bad.
    - A second run with more epochs is much better.

    ## Causes
    - Too few epochs, often 1 to 5 for a small data set.
    - Few steps an epoch: a large batch on little data, or backward() and step() after the loop over
      the batches instead of inside it.
    - Early stopping with too little patience, or a step limit left over from debugging.

    ## When not to worry
    Most trainings end while the loss still falls a little. That is fine; here it falls steeply.

    ## References
    - Godbole et al. 2023, Deep Learning Tuning Playbook: choosing the number of steps.
    """

    family = "optimisation"
    needs = (LOSS, ACCURACY, EXPLAINED, Hygiene, Exam)
    caused_by = (
        "optimizer-coupled-weight-decay",
        "clip-always-on",
        "adam-epsilon-dominates",
        "lr-too-low",
        "vanishing-gradient",
        "forward-collapse",
        "saturated-activation",
        "input-scale",
        "target-scale",
        "init-loss-off",
        "output-activation-mismatch",
        "loss-task-mismatch",
        "double-softmax",
        "hidden-softmax",
        "excessive-regularisation",
        "params-not-optimised",
        "gradient-cut",
        "missing-nonlinearity",
        "underfitting-capacity",
        "symmetric-init",
        "dying-relu",
        "misaligned-labels",
    )
    looks_like = {
        "lr-schedule-exhausted": (
            "A schedule that ran out leaves the loss flat: the rate is gone long before the end."
        ),
        "lr-too-low": "Too low a rate takes many steps, each a tiny share of the weights' norm.",
        "underfitting-capacity": "A model that is too narrow has a flat loss at the end.",
    }
    learnt: float = limit(
        0.35,
        why="share of what there is to learn; slow but healthy runs (LSTM and character model of "
        "benchmarks/healthy) end above it or have bent by then",
    )
    few: float = limit(
        20,
        why="optimiser steps; Adam moves a weight by at most its rate a step, so 20 steps at 1e-3 "
        "move it by 0.02 where random weights are of the order of 0.1",
    )
    more: float = limit(
        0.25,
        why="share of the loss: forty more steps on copies of a network that had made four take "
        "off 0.55 (published case SO-61234347); one that is done has nothing like that left",
    )
    late: float = limit(
        0.28,
        why="share of the whole fall that came in the last third: a straight line gives 0.33, a "
        "curve "
        "that bends towards its floor much less (exponential with three time constants: 0.05)",
    )
    short: float = limit(
        200, why="steps: a few dozen more are then a good part of the run and no learning by heart"
    )
    begun: float = limit(
        0.03,
        why="share of what there is to learn: where nothing was learnt yet, what a few dozen more "
        "steps bring is learning by heart",
    )
    wasted: float = limit(
        4.0,
        why="training losses computed for one that a backward pass uses: sums over micro-batches "
        "use them all, and two or three heads at one place use them in turn",
    )
    updates: float = limit(
        1000, why="optimiser steps: whoever makes more of them does not lack updates"
    )
    enough: float = limit(0.8, why="share of what there is to learn: beyond it nothing is missing")
    _indent = (
        Prescription(
            "Move zero_grad(), backward() and step() into the loop over the batches.",
            "Every batch then moves the weights.",
            "all batches belong to one step: then add up their losses, "
            "(loss / len(loader)).backward() for each",
        ),
    )
    prescriptions = (
        Prescription(
            "Train several times longer, until the validation loss no longer falls.",
            because="the loss fell as fast at the end as before",
            unless="each epoch is dear: then raise the learning rate first",
            edits=("more-epochs",),
        ),
        Prescription(
            "Raise the learning rate two- to threefold.",
            because="the same way in fewer steps",
            unless="the loss becomes unsteady",
            edits=("learning-rate",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
angle = torch.rand(3000) * 6.28
arm = torch.randint(3, (3000,))
radius = 0.3 + angle / 6.28
x = torch.stack([radius * torch.cos(angle + 2.09 * arm), radius * torch.sin(angle + 2.09 * arm)], 1)
x = x / x.std() + 0.03 * torch.randn(3000, 2)
train = DataLoader(TensorDataset(x[:2400], arm[:2400]), batch_size=60, shuffle=True)
test_x, test_y = x[2400:], arm[2400:]

layers = []
for wide, tall in ((2, 64), (64, 64), (64, 64)):
    layers += [nn.Linear(wide, tall), nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(64, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
criterion = nn.CrossEntropyLoss()

for epoch in range(2):
    model.train()
    for batch, labels in train:
        optimizer.zero_grad()
        loss = criterion(model(batch), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        output = model(test_x)
        accuracy = (output.argmax(1) == test_y).float().mean().item()
        loss = criterion(output, test_y).item()
        print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("range(2)", "range(40)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        """Fires when little was learnt and the last third of the run brought its full share."""
        if self._wasteful(run):
            yield self._thrown_away(run)
            return
        if 0 < run.steps < self.few:
            yield from self._hardly_begun(run)
            return
        if len(run.optimizers) > 1:
            return  # against an adversary a loss has no floor to fall to
        curve = progress(run)
        if curve is None or curve.diverged or curve.learnt is None or curve.learnt >= self.learnt:
            return
        whole = curve.first - curve.end
        if not curve.fell or whole <= 0 or run.end is None or run.end.error:
            return
        share, onward = curve.slope / whole, rates(run, "rates_end")
        goes_on = onward is not None and self._goes_on(onward, curve, whole)
        if not goes_on and (not curve.falling or share < self.late):
            return
        yield self.finding(
            f"The training stopped after {run.steps} steps while the loss was still falling "
            f"fast, from "
            f"{curve.first:.3g} to {curve.end:.3g}.",
            *([self._onward(onward)] if onward is not None and goes_on else []),
            Evidence(
                "loss",
                f"{max(min(share, 1), 0):.0%} of the whole fall came in the last third of the run",
                steps=(run.steps * 2 // 3, run.steps),
                value=share,
                limit=self.late,
            ),
            Evidence(
                "loss",
                f"{max(curve.learnt, 0):.0%} of what there is to learn was learnt",
                value=curve.learnt,
                limit=self.learnt,
            ),
            severity="warning",
            confidence=0.8,
            first_step=run.steps * 2 // 3,
        )

    def _goes_on(self, onward: Rates, curve: Progress, whole: float) -> bool:
        """Whether the same steps, continued on copies, fall as fast as the whole run did."""
        fair = self.late * 3 * whole * onward.steps / curve.steps  # of a straight line
        if curve.steps >= self.short or (curve.learnt or 0.0) < self.begun:
            return False
        return onward.start * onward.own > max(fair, whole / 3)

    def _onward(self, onward: Rates) -> Evidence:
        return Evidence(
            "rates_end",
            f"{onward.steps} more steps on copies took the loss down by another {onward.own:.1%}",
            steps=(0, onward.steps),
            value=onward.own,
        )

    def _wasteful(self, run: Run) -> bool:
        """Whether most training losses are computed and never used."""
        seen, reached = run.hygiene, score(run)
        if not 0 < run.steps < self.updates or reached is None or reached >= self.enough:
            return False
        return seen.losses_seen > self.wasted * seen.losses_used > 0

    def _thrown_away(self, run: Run) -> Finding:
        seen = run.hygiene
        batches = seen.losses_seen / seen.losses_used
        return self.finding(
            f"Only one in {batches:.0f} training losses is learnt from: backward() and step() run "
            f"after the loop over the batches, on the last batch alone, {run.steps} times in all.",
            Evidence(
                "hygiene",
                f"{seen.losses_seen} losses were computed, {seen.losses_used} of them are in the "
                "graphs of the backward passes",
                value=batches,
                limit=self.wasted,
            ),
            severity="warning",
            confidence=0.9,
            first_step=0,
            prescriptions=self._indent,
        )

    def _hardly_begun(self, run: Run) -> Iterator[Finding]:
        """So few steps that there is no curve to look at: what counts is the score they reached."""
        reached, end = score(run), run.end
        second_order = any(o.type == "LBFGS" for o in run.optimizers)
        if run.header.mode != "run" or end is None or end.error or second_order:
            return
        onward = rates(run, "rates_end")
        goes_on = onward is not None and onward.own > self.more
        enough = self.enough if goes_on else self.learnt
        if reached is None or reached >= enough:
            return
        yield self.finding(
            f"The training stopped after {run.steps} optimiser steps, before it could learn much.",
            Evidence(
                "loss",
                f"the whole run made {run.steps} steps",
                steps=(0, run.steps),
                value=float(run.steps),
                limit=self.few,
            ),
            Evidence(
                "accuracy",
                f"{max(reached, 0):.0%} of what there is to learn was learnt",
                value=reached,
                limit=enough,
            ),
            *([self._onward(onward)] if onward is not None and goes_on else []),
            severity="warning",
            confidence=0.8,
            first_step=run.steps,
        )
