"""input-scale: see the card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Inputs, Objective, Parameter
from penlight.core.finding import Evidence, Finding, Prescription, Severity
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACT_RMS, DEAD_SHARE, SATURATED_SHARE, ZERO_SHARE
from penlight.pitfalls._curves import guess_loss, loss_curve, progress, verdict
from penlight.pitfalls._layers import Chain, chains, idle_layer

WINDOW = 8  # losses that are averaged: a single easy batch is no arrival


class InputScale(Pitfall):
    """The inputs are not on the scale that the network expects.

    A kitchen scale that adds up grams and tonnes on one dial: the needle shows the tonnes, and
    the pinch of salt that decides the taste is lost.

    ## What happens
    Initialisations and learning rates are made for inputs with mean 0 and a spread of about 1. The
    gradient of the first layer is proportional to its input, so a feature in the thousands gets
    steps a thousand times too long while one in the hundredths stands still: no learning rate fits
    both. The first outputs are huge, sigmoids are pinned at their ends, ReLU units die. Inputs that
    were scaled twice (pixels divided by 255 and again) are the same fault the other way round.

    ## Symptoms
    The loss begins far above that of guessing, jumps or turns NaN; every learning rate is wrong.

    ## Causes
    Raw pixels from 0 to 255; ages next to incomes; years or timestamps; a scaling step that was
    forgotten, applied twice or only to the test data.

    ## When not to worry
    Ids for an embedding, one-hot columns, pixels in [0, 1] and raw data in front of a norm layer
    are fine. Adam copes with moderate scales: a net that learns well gets a note at most.

    ## References
    Y. LeCun et al., Efficient BackProp, section 4.3, 1998.
    """

    family = "data"
    stands_alone = True
    needs = (Inputs, Objective, Parameter, Exam, ACT_RMS, SATURATED_SHARE, ZERO_SHARE, DEAD_SHARE)
    looks_like = {
        "fine-tune-mismatch": (
            "A trained model knows its task before the first step, if it is fed as it was trained."
        ),
        "exploding-gradient": "An exploding gradient grows at every layer, with inputs of size 1.",
        "init-loss-off": (
            "With inputs of an ordinary size, the scale comes from the last layer's start."
        ),
        "lr-too-high": "Too high a rate fails with inputs of size 1, too.",
        "nonfinite-or-corrupt-data": (
            "Stand-ins for missing values are a few numbers far away from all others."
        ),
        "saturated-activation": (
            "Units can saturate with inputs of size 1, by weights that have grown."
        ),
        "target-scale": (
            "Targets on a foreign scale are seen in what the loss compares with, whatever the "
            "inputs."
        ),
    }
    large: float = limit(
        10.0,
        why="typical size of the largest feature, 1 when standardised: ten makes the energy of "
        "the first gradients a hundred times larger",
    )
    offset: float = limit(
        10.0, why="|mean| / std: beyond it the input is a constant with a ripple under a tenth"
    )
    spread: float = limit(
        100.0, why="largest over smallest std: the number of gradient steps grows with its square"
    )
    small: float = limit(
        0.02, why="pixels scaled twice have a size of 0.001 to 0.002, sound inputs 0.1 to 1"
    )
    far: float = limit(
        10.0,
        why="times beyond a limit: what learnt a part is charged only at a decade's distance; "
        "12 layers with Adam on whole numbers up to 28 were still learning well when they stopped",
    )
    absurd: float = limit(
        1e5,
        why="times beyond a limit: features up to 1e9 left 4% of a polynomial's variance unlearnt, "
        "standardised ones less than a millionth (PF9-polynomial-inputs)",
    )
    loud: float = limit(
        4.0, why="times the loss of guessing: sound initialisations began within 2.0 of it"
    )
    ahead: float = limit(
        0.5,
        why="of the loss that the whole run reached: 40 steps on a few batches that get to half of "
        "it leave no doubt that the scale held the run back",
    )
    slow: float = limit(
        8.0,
        why="times the steps that standardised inputs need to get to the same loss: an epoch of "
        "training became eight",
    )
    learnt: float = limit(
        0.8, why="share of what there is to learn: a run that got this far has coped"
    )
    idle: float = limit(0.7, why="share of units saturated or dead: healthy nets stay below 0.46")
    prescriptions = (
        Prescription(
            "Standardise with the training set's statistics, the same for training and test: "
            "`mean, std = train_x.mean(0), train_x.std(0)`, then `x = (x - mean) / std`.",
            "Every feature then has the scale that initialisation and learning rate are made for.",
            "they are ids or one-hot",
            edits=("standardise-inputs",),
        ),
        Prescription(
            "Divide pixels by 255, once.",
            "They then lie in [0, 1].",
            "it has been done: look for a second place that scales, for instance in forward()",
            edits=("scale-once",),
        ),
        Prescription(
            "Or begin with `nn.BatchNorm1d(features)`.",
            "It learns the statistics.",
            edits=("input-norm",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
age, income = 45 + 12 * torch.randn(2500), 60_000 + 15_000 * torch.randn(2500)
debt, score = 0.3 + 0.08 * torch.randn(2500), 650 + 60 * torch.randn(2500)
risk = (debt - 0.3) / 0.08 * (score - 650) / 60 + (age - 45) / 12 - (income - 60_000) / 15_000
inputs = torch.stack([age, income, debt, score], dim=1)
labels = (risk > 0).long()
train_x, train_y, val_x, val_y = inputs[:2000], labels[:2000], inputs[2000:], labels[2000:]
mean, std = torch.zeros(4), torch.ones(4)
train_x, val_x = (train_x - mean) / std, (val_x - mean) / std

model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(15):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(val_x).argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "mean, std = torch.zeros(4), torch.ones(4)",
                "mean, std = train_x.mean(0), train_x.std(0)",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        outcome = verdict(run)
        for inputs in run.inputs:
            if inputs.embedded or inputs.normalised_first or inputs.samples == 0:
                continue
            faults = list(self._faults(inputs))
            if faults:
                yield self._finding(run, inputs.root, faults, outcome)
                return
        for chain in chains(run) if outcome in ("ruined", "poor") else ():
            fault = self._inside(run, chain)
            if fault is not None:
                yield self._finding(run, chain.layers[0], [fault], outcome)
                return

    def _faults(self, x: Inputs) -> Iterator[Evidence]:
        """What is wrong with the scale, worst first."""
        size = x.largest_feature_rms
        onehot = x.integral and x.min >= 0 and x.max <= 1
        if size is None or onehot:
            return
        features = (
            ("one feature spreads {:.2g} times as far as another", x.std_ratio, self.spread),
            ("one feature lies {:.2g} times its spread away from zero", x.max_offset, self.offset),
        )
        for says, value, border in features:
            if value is not None and value > border and size > 1:
                yield Evidence("inputs", says.format(value), x.root, None, value, border)
        if size > self.large:
            says = f"they reach from {x.min:.3g} to {x.max:.3g}, with a typical size of {size:.2g}"
            yield Evidence("inputs", says, x.root, None, size, self.large)
        if 0 < size < self.small:
            yield Evidence("inputs", f"they are tiny, {size:.2g}", x.root, None, size, self.small)

    def _inside(self, run: Run, chain: Chain) -> Evidence | None:
        """Inputs that forward() has made tiny."""
        size = chain.fed(run)
        if size is None or not 0 < size < self.small:
            return None
        first, out = chain.layers[0], float(chain.rms[0].values[0])
        says = f"they are tiny, {size:.2g}, to judge by the output of {first}, {out:.2g}"
        return Evidence("act_rms", says, first, (0, 0), size, self.small)

    def _finding(self, run: Run, where: str, faults: list[Evidence], outcome: str) -> Finding:
        proof = self._better(run)
        signs = [*([proof] if proof else ()), *self._signs(run)]
        ratios = [(e.value or 0.0) / (e.limit or 1.0) for e in faults]
        tiny, far = min(ratios) < 1, max(ratios) > self.far or min(ratios) < 1 / self.far
        ruined, shows = outcome == "ruined", bool(signs) or tiny
        absurd = bool(signs) and max(ratios) > self.absurd
        hurt = ruined or absurd or proof is not None or (shows and outcome == "poor" and far)
        severity: Severity = "warning" if hurt else "note"
        sure = 0.8
        if ruined:  # where nothing shows it may be a task that nobody can learn
            severity, sure = ("critical", 0.9) if shows else ("warning", 0.6)
        copes = "This run copes with it." if outcome == "fine" else "No harm of it shows here."
        words = ", and ".join(evidence.says for evidence in faults[:2])
        return self.finding(
            f"The inputs of {where or 'the model'} are not scaled: {words}."
            + ("" if hurt else f" {copes}"),
            *faults,
            *(signs if hurt else ()),
            severity=severity,
            confidence=sure,
            where=where,
            first_step=0,
        )

    def _better(self, run: Run) -> Evidence | None:
        """A few replayed steps on standardised inputs got further than the whole run did."""
        exam, seen = run.exam("scaled"), progress(run)
        if exam is None or seen is None or seen.broken is not None:
            return None
        end, steps = float(exam.values["end"]), int(exam.values["steps"])
        # False for NaN. The replay has seen fewer samples, so it must be clearly ahead.
        if end < self.ahead * seen.best and seen.steps >= 2 * steps:
            return Evidence(
                "scaled",
                f"replayed from the start with standardised inputs, {steps} steps took the loss to "
                f"{end:.3g}; the run reached {seen.best:.3g} in {seen.steps}",
                value=end,
                limit=self.ahead * seen.best,
            )
        reached = self._reached(run, end)
        if reached < self.slow * steps or (seen.learnt or 0.0) >= self.learnt:
            return None
        return Evidence(
            "scaled",
            f"replayed from the start with standardised inputs, {steps} steps took the loss to "
            f"{end:.3g}; the run needed {reached:.0f}",
            value=reached / steps,
            limit=self.slow,
        )

    def _reached(self, run: Run, loss: float) -> float:
        """Steps that the run needed to get to a loss and stay there, for a while; 0: unknown."""
        curve, objective = loss_curve(run).finite, run.objective
        if objective is None or objective.reduction != "mean" or len(curve) < WINDOW:
            return 0.0
        smooth = np.convolve(curve.values, np.ones(WINDOW) / WINDOW, "valid")
        below = np.flatnonzero(smooth <= loss)
        return float(curve.steps[int(below[0])]) if len(below) else float(run.steps)

    def _signs(self, run: Run) -> Iterator[Evidence]:
        """What large inputs do to a network; a task that is merely hard shows none of it."""
        seen, objective = progress(run), run.objective
        guess = guess_loss(run, objective) if objective is not None else None
        first = objective.first_loss if objective is not None else None
        if guess is not None and first is not None and first > self.loud * guess:
            says = f"the loss began at {first:.3g}, where guessing gives {guess:.3g}"
            yield Evidence("objective_loss", says, "", (0, 0), first, self.loud * guess)
        if seen is not None and seen.worse:
            yield Evidence("loss", "it ended worse than a constant answer", value=seen.end)
        found = idle_layer(run)
        if found is not None and found.share > self.idle:
            says = f"{found.share:.0%} of the units of {found.site} are flat or off"
            yield Evidence(found.signal, says, found.site, None, found.share, self.idle)
