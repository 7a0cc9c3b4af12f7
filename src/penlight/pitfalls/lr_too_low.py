"""Steps so small that the run ends before it has got anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Optimizer
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, LR, TRAVEL, UPDATE_RATIO
from penlight.pitfalls._curves import WORSE, Progress, progress
from penlight.pitfalls._rates import Rates, rates, update_size

LONG = 10  # times the steps of a replay: a run this long had time to leave its start
RESOLVED = 1e-6  # of the loss: falls below a few roundings in float32 are not compared


class LrTooLow(Pitfall):
    """The learning rate is too low.

    Emptying a bath with a teaspoon: every spoonful goes the right way, and at the end of the
    evening the water stands where it stood.

    ## What happens
    The gradient points downhill and every step follows it, but the steps are so short that the
    weights hardly leave their random start during the whole run. The loss falls in a straight
    line, in proportion to the rate: ten times the rate would have got ten times as far.

    ## Symptoms
    - The loss falls slowly and steadily, without the usual fast beginning.
    - All layers alike move by a tiny share of their norm; none of them leads or lags.
    - Training longer helps, a little.

    ## Causes
    - A fine-tuning rate (1e-5) used for a model that starts from random weights.
    - SGD with a rate made for Adam.
    - A rate that was lowered against an instability that had another reason.
    - A schedule that has used up the rate early.

    ## When not to worry
    Fine-tuning moves the weights very little on purpose, from a start that is good already. Then
    the
    loss is low from the first step, and nothing is said here.

    ## References
    - Goodfellow, Bengio and Courville 2016, Deep Learning, section 11.4.1.
    - Smith 2017, Cyclical learning rates for training neural networks (the range test).
    """

    family = "optimisation"
    needs = (LOSS, LR, UPDATE_RATIO, TRAVEL, Exam)
    caused_by = (
        "low-precision-lost-update",
        "scheduler-order",
        "lr-schedule-exhausted",
        "vanishing-gradient",
        "forward-collapse",
        "clip-always-on",
        "adam-epsilon-dominates",
        "input-scale",
        "target-scale",
    )
    looks_like = {
        "adam-epsilon-dominates": (
            "Where epsilon is larger than the gradients, Adam divides by it instead of by them."
        ),
        "clip-always-on": (
            "A clip that is always on makes short steps at a rate that is a usual one."
        ),
        "clip-without-unscale": (
            "Clipping scaled gradients makes steps small whatever the rate is: `clip_grad_norm_` "
            "is called while the scaler's factor is still in."
        ),
        "double-softmax": (
            "Two softmaxes leave a floor that no rate gets below: the inputs of the loss are "
            "probabilities that add up to 1."
        ),
        "low-precision-lost-update": (
            "In 16-bit weights most updates are rounded away and the weights stay exactly as "
            "they were."
        ),
        "lr-schedule-exhausted": (
            "A schedule that ran out begins with a useful rate: the loss falls at first and stops "
            "when the rate is gone."
        ),
        "params-not-optimised": (
            "Weights that no optimiser holds do not move at all; here all of them move, a little."
        ),
        "scheduler-order": (
            "A schedule that is called too seldom holds the rate down; the rate it is made for "
            "is fine."
        ),
        "stopped-too-early": (
            "A run that was stopped early takes steps of the usual size and has few of them."
        ),
        "underfitting-capacity": (
            "A model that is too narrow has reached its plateau: no other rate does better in a "
            "replay, and one layer has fewer units than the classes need."
        ),
        "vanishing-gradient": (
            "With a vanishing gradient the layers near the loss move and the first ones do not: "
            "the light falls by a constant factor a layer."
        ),
    }
    learnt: float = limit(
        0.5,
        why="a run that learnt half of what there is to learn is under way; slow healthy ones "
        "(LSTM, character model) end above it or move more than `travelled` (benchmarks/healthy)",
    )
    fine: float = limit(
        0.8,
        why="share of what there is to learn from which on no rate is blamed, even where a few "
        "steps at a higher one got further than the whole run",
    )
    travelled: float = limit(
        0.1,
        why="share of its own norm that a typical weight matrix has moved by the end: below "
        "it the network is still its random start (catalogue: projected travel under 0.1)",
    )
    crawl: float = limit(
        3e-4,
        why="median change of the weight matrices in one step, as a share of their norm; the "
        "healthy "
        "zoo's runs have 0.0025 to 0.036 (benchmarks/healthy), eight times this and more",
    )
    usual: float = limit(
        2.5e-3,
        why="the same: the slowest of the healthy zoo. Above it the rate is a usual one, and a "
        "run that a higher one overtakes had few steps",
    )
    tiny: float = limit(
        1e-4,
        why="a rate at which nobody trains from random weights: a hundred times as much still "
        "crawled in a small CNN under SGD at 1e-5; where the rate is usual and the weights crawl, "
        "it is the gradient that is small",
    )
    blind: float = limit(
        1e-4,
        why="the same where no replay was possible: 25 times under the slowest healthy run",
    )
    standstill: float = limit(
        0.01,
        why="share of its first value that the loss of a whole run fell, however far the weights "
        "went: embeddings that begin near zero move by their own norm and their products stay "
        "nothing (complex_kinship of benchmarks/healthy at a thousandth of its rate: 2e-6)",
    )
    prescriptions = (
        Prescription(
            "Multiply the learning rate by ten, and again while the loss falls faster each time.",
            because="the fall of the loss was still proportional to the rate",
            unless="the rate is a schedule's warmup: then look at its peak",
            edits=("learning-rate",),
        ),
        Prescription(
            "Use Adam at 1e-3: `torch.optim.Adam(model.parameters(), lr=1e-3)`.",
            because="its steps do not depend on the size of the gradient",
            unless="the model needs plain SGD for a reason of its own",
            edits=("swap-optimizer",),
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
optimizer = torch.optim.SGD(model.parameters(), lr=0.0003, momentum=0.9)
criterion = nn.CrossEntropyLoss()

for epoch in range(40):
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
        cure=(("lr=0.0003", "lr=0.1"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        """Fires when all layers crawl, the loss hardly falls, and a higher rate gets further."""
        curve = progress(run)
        if curve is None or curve.diverged or curve.learnt is None or curve.learnt >= self.fine:
            return
        travel, size = self._travel(run), update_size(run)
        if not run.optimizers or travel is None or size is None:
            return
        replays = [] if self._warmed(run) else [rates(run), rates(run, "rates_end")]
        known = [r for r in replays if r is not None]
        slow = known if size < self.usual else []
        ahead = next((r for r in slow if self._overtaken(run, curve, r)), None)
        compared = ahead or next((r for r in known if r.too_low), None)
        still = self._stands_still(run, curve, known)
        if ahead is None and not still:
            if curve.learnt >= self.learnt or travel >= self.travelled or size >= self.crawl:
                return
            # A replay speaks against it unless none of its rates was a usual one.
            tiny = 0 < run.optimizers[0].lr < self.tiny and 100 * size < self.crawl
            tried = known and not tiny
            if compared is None and (tried or size >= self.blind):
                return
        optimizer: Optimizer = run.optimizers[0]
        named = optimizer.named
        short = "the layers stand close to their random start"
        if ahead is not None:
            short = f"{ahead.steps} steps at a higher rate got further"
        elif still:
            short = "the fall is in proportion to the rate"
        evidence = [
            Evidence(
                "update_ratio",
                f"one step changes a typical weight matrix by {size:.1e} of its norm",
                steps=(0, run.steps),
                value=size,
                limit=self.crawl if compared else self.blind,
            ),
            Evidence(
                "travel",
                f"in the whole run a typical weight matrix has moved by {travel:.1%} of its norm",
                steps=(0, run.steps),
                value=travel,
                limit=self.travelled,
            ),
        ]
        if compared is not None:
            evidence[0:0] = [self._replayed(compared, curve, still)]
            if ahead is not None:
                evidence = evidence[:1]
        yield self.finding(
            f"The learning rate is too low: {run.steps} steps of {named} took the loss from "
            f"{curve.first:.3g} to {curve.end:.3g}, and {short}.",
            *evidence,
            severity="critical" if curve.learnt < self.learnt and compared else "warning",
            confidence=0.93 if compared else 0.8,
            where=named,
            source=optimizer.source,
            first_step=0,
        )

    def _replayed(self, compared: Rates, curve: Progress, still: bool) -> Evidence:
        further = max(compared.tenfold, compared.hundredfold)
        factor, gain = "ten", compared.tenfold
        if (compared.overtakes(further, curve) or still) and further > compared.tenfold:
            factor, gain = "a hundred", further
        return Evidence(
            "rates",
            f"replayed from the {compared.state}, {compared.steps} steps at {factor} times the "
            f"rate lowered the loss by {_share(gain)}, at the script's own rate by "
            f"{_share(compared.own)}",
            steps=(0, compared.steps),
            value=compared.own,
            limit=gain / 3,
        )

    def _overtaken(self, run: Run, curve: Progress, compared: Rates) -> bool:
        """Whether a few steps at ten or a hundred times the rate got further than the whole run."""
        if run.objective is None or run.objective.reduction != "mean":
            return False
        if curve.chance is None or curve.end > (1 + WORSE) * curve.chance:
            return False  # a loss above that of guessing has other reasons
        further = max(compared.tenfold, compared.hundredfold)
        return compared.tenfold > compared.own and compared.overtakes(further, curve)

    def _stands_still(self, run: Run, curve: Progress, known: list[Rates]) -> bool:
        """Whether the loss did not move in many steps, and each replay falls with the rate."""
        return (
            run.steps >= LONG * max((r.steps for r in known), default=run.steps)
            and abs(curve.first - curve.end) < self.standstill * abs(curve.first)
            and all(r.too_low for r in known)
            and any(RESOLVED < 3 * r.tenfold < r.hundredfold for r in known)
        )

    def _warmed(self, run: Run) -> bool:
        """Whether the rate rose so far that its first value, which the replay used, says little."""
        lr = run.series(LR).finite.values
        return bool(len(lr)) and float(lr.max()) > 3 * float(lr[0])

    def _travel(self, run: Run) -> float | None:
        """How far a typical weight matrix has moved."""
        # Weights that began at zero have no norm to compare with; of bare tensors nobody knows.
        matrices = {
            p.name for p in run.parameters if len(p.shape) > 1 and (p.std > 0 or not p.registered)
        }
        ends = [
            float(s.finite.values[-1]) for s in run.every(TRAVEL) if s.site in matrices and s.finite
        ]
        return float(np.median(ends)) if ends else None


def _share(fall: float) -> str:
    """A share of the loss in percent, with two digits where it is tiny: 6.5e-03%."""
    return f"{fall:.2%}" if fall == 0 or abs(fall) >= 1e-3 else f"{100 * fall:.1e}%"
