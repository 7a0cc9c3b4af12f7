"""excessive-regularisation: see the card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from penlight.core.facts import Exam, Graph, Module, Optimizer, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM, LOSS, LR, OBJECTIVE_LOSS, WEIGHT_NORM
from penlight.pitfalls._curves import END, Progress, progress
from penlight.pitfalls._forces import (
    decay_pull,
    penalised_weights,
    shrinkage,
    weight_matrices,
    without_penalty,
)


class ExcessiveRegularisation(Pitfall):
    """Weight decay, penalties or dropout are so strong that the model cannot fit.

    A dog on so short a lead that it cannot reach the bowl: it is perfectly under control, and it
    starves.

    ## What happens
    Regularisation trades fit for simplicity. With weight decay or a penalty in the loss, every
    step also pulls the weights towards zero; where the pull balances the gradient of the task,
    learning stops, however much is left to learn. Dropout of 0.8 keeps one unit in five: what the
    next layer hears is mostly noise.

    ## Symptoms
    - The training loss stops high, close to the validation loss: no gap, no overfitting.
    - Weight norms fall to a fraction of their start.
    - The loss that is minimised is much larger than the task's own loss.

    ## Causes
    - `weight_decay` copied from AdamW, where it means something else, to SGD or Adam.
    - A penalty summed over all weights, with a factor meant for a mean.
    - Dropout rates taken for the share that is kept.

    ## When not to worry
    As long as the training data are fitted well, regularisation does its job. A sparse or a very
    noisy task may want a strong one: then less of it makes validation worse.

    ## References
    - I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    - N. Srivastava et al., Dropout, JMLR 2014: keep rates of 0.5 to 0.8.
    - A. Karpathy, A Recipe for Training Neural Networks (2019): first overfit, then regularise.
    """

    family = "optimisation"
    needs = (
        LOSS,
        OBJECTIVE_LOSS,
        WEIGHT_NORM,
        GRAD_NORM,
        LR,
        Graph,
        Exam,
        Module,
        Optimizer,
        Parameter,
    )
    caused_by = (
        "optimizer-coupled-weight-decay",
        "lr-too-high",
        "double-softmax",
        "nonfinite-loss",
        "missing-zero-grad",
        "loss-broadcast",
        "params-not-optimised",
        "gradient-cut",
    )
    looks_like = {
        "dropout-norm-misuse": (
            "Dropout at the wrong place is the last thing before the loss, whatever its strength."
        ),
        "underfitting-capacity": (
            "A model that is too narrow keeps its weight norms, and no penalty weighs much in its "
            "loss."
        ),
    }
    share: float = limit(
        0.5,
        why="of the loss at the end is penalty: it counts for more than the task",
    )
    shrunk: float = limit(
        0.7,
        why="median weight norm against its start: training makes norms grow or stay (0.99 to 5 in "
        "30 healthy runs of benchmarks/healthy), an L2 of 0.1 took them to 0.2 to 0.5",
    )
    crushed: float = limit(
        0.3,
        why="of their first norm: a penalty that has won is a small part of the loss, but the "
        "weights that it took are gone",
    )
    gone: float = limit(
        0.05,
        why="of their first norm: where nobody knows what there is to learn, weights that are gone "
        "and a loss that never fell say that nothing was (1e-8 under RMSprop's decay of 0.9)",
    )
    learnt: float = limit(
        0.9, why="share of what there is to learn: beyond it the fit does not suffer"
    )
    pull: float = limit(
        0.5,
        why="decay over gradient: at the point where decay stops learning the two balance, so the "
        "ratio is 1; a healthy run stayed near 0 (catalogue: 0.99 against 0)",
    )
    halved: float = limit(
        0.5, why="share of what there is to learn below which the run is ruined, not just hurt"
    )
    decayed: float = limit(
        0.5,
        why="lr x weight_decay x steps: decay alone would have taken 40% of every weight",
    )
    freed: float = limit(
        0.8,
        why="of the task's loss, that is left after a few steps without the penalty: where the "
        "loss is a sum, or has a factor, only this tells a penalty from it",
    )
    dropout: float = limit(
        0.7,
        why="Srivastava et al. (2014, section 7.3) saw a flat optimum from 0.2 to 0.6 for hidden "
        "units and the error rise beyond; 0.7 keeps three units in ten",
    )
    poor: float = limit(
        0.8, why="share learnt in either mode: beyond it a strong decay or dropout is a choice"
    )
    worse: float = limit(
        -0.1,
        why="the strongest penalty ends at a guess, 0; a loss clearly above it has other causes",
    )
    prescriptions = (
        Prescription(
            "Start again from a small weight decay: 1e-5 to 1e-3, or 1e-2 for AdamW; first train "
            "without any, until the training data are fitted.",
            "A factor of ten at a time finds the place where validation is best.",
            edits=("weight-decay",),
        ),
        Prescription(
            "Lower the dropout to 0.2 or take it out until the training data are fitted.",
            "Only then it shows how much is needed.",
            edits=("dropout",),
        ),
        Prescription(
            "Divide a penalty that is added to the loss by 100: it should be at most a tenth of "
            "the loss.",
            "Otherwise the optimiser serves the penalty first and the data second.",
            edits=("penalty",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.rand(2000, 4) * 2 - 1
y = torch.sin(3 * x[:, :1]) + x[:, 1:2] * x[:, 2:3] + 0.1 * torch.randn(2000, 1)
x, y = x / x.std(0), (y - y.mean()) / y.std()
train_x, train_y, test_x, test_y = x[:1600], y[:1600], x[1600:], y[1600:]

model = nn.Sequential(
    nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.3)
loss_fn = nn.MSELoss()

for epoch in range(20):
    model.train()
    for rows in torch.randperm(1600).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test_loss = loss_fn(model(test_x), test_y).item()
    print(f"epoch {epoch:2d}: train {loss.item():.3f}, test {test_loss:.3f}")

print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": test_loss}))
""",
        cure=(("weight_decay=0.3", "weight_decay=1e-5"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = progress(run)
        if seen is not None and seen.learnt is None and self._gone(run, seen):
            seen = replace(seen, learnt=0.0)  # of an unknown loss that never fell
        if seen is None or seen.learnt is None or seen.learnt < self.worse:
            return
        found = self._penalty(run, seen) or self._decay(run, seen) or self._dropout(run, seen)
        if found is not None:
            yield found

    def _gone(self, run: Run, seen: Progress) -> bool:
        """Whether hardly anything is left of the weights, and nothing was learnt meanwhile."""
        shrunk = shrinkage(run, weight_matrices(run))
        return seen.flat and shrunk is not None and shrunk < self.gone

    def _penalty(self, run: Run, seen: Progress) -> Finding | None:
        """A penalty on the weights inside the loss is larger than the task's own loss."""
        objective, names = run.objective, penalised_weights(run)
        if objective is None or not names or objective.reduction != "mean":
            return None
        if len(run.objectives) != 1 or (seen.learnt or 0.0) >= self.learnt:
            return None
        whole, own = run.series(LOSS).finite, run.series(OBJECTIVE_LOSS, objective.site).finite
        if not whole or not own:
            return None
        total, task = float(np.mean(whole.tail(END))), float(np.mean(own.tail(END)))
        shrunk = shrinkage(run, names)
        share = 1 - task / total if total > 0 else 0.0
        if shrunk is None or shrunk > self.shrunk:
            return None
        won = shrunk < self.crushed and (seen.learnt or 0.0) < self.halved
        if share < self.share and not won:
            return None
        freed = without_penalty(run)
        better = freed is not None and freed[1] < self.freed * freed[0]
        if objective.by_hand and not better:
            return None  # a sum over rows, or a factor, looks like a penalty
        evidence = [
            Evidence(
                "loss",
                f"at the end the loss is {total:.3g}, of which the task makes {task:.3g} and a "
                f"penalty {share:.0%}",
                value=share,
                limit=self.share,
            ),
            Evidence(
                "weight_norm",
                f"the weights have shrunk to {shrunk:.0%} of their norm at the start",
                steps=(0, run.steps),
                value=shrunk,
                limit=self.shrunk,
            ),
        ]
        if freed is not None and better:
            evidence.append(
                Evidence(
                    "rates_end",
                    f"a few steps without the penalty take the task's loss from {freed[0]:.3g} to "
                    f"{freed[1]:.3g}",
                    value=freed[1],
                    limit=freed[0],
                )
            )
        return self._found(
            f"The penalty on {_count(names)} in the loss holds them at {shrunk:.2g} of "
            f"their size, and {_percent(seen)} of what there is to learn was learnt.",
            seen,
            evidence,
        )

    def _decay(self, run: Run, seen: Progress) -> Finding | None:
        """Weight decay pulls as hard as the gradient, and the weights shrink away."""
        optimizer = next((o for o in run.optimizers if o.weight_decay > 0), None)
        if optimizer is None or len(run.optimizers) != 1 or (seen.learnt or 0.0) >= self.poor:
            return None
        rates = run.series(LR).finite.values
        lr = float(rates.max()) if len(rates) else optimizer.lr
        names = weight_matrices(run)
        shrunk, pull = shrinkage(run, names), decay_pull(run, names, optimizer.weight_decay)
        taken = lr * optimizer.weight_decay * run.steps / max(1 - optimizer.momentum, 0.01)
        decoupled = optimizer.type.endswith("W")
        # Adam moves a weight by the rate whatever the size of its gradient, decay included.
        divided = optimizer.adaptive and not decoupled
        if shrunk is None or shrunk > self.shrunk or (taken < self.decayed and not divided):
            return None
        if not decoupled and (pull is None or pull < self.pull):
            return None
        evidence = [
            Evidence(
                "weight_norm",
                f"the weights have shrunk to {shrunk:.1%} of their norm at the start",
                steps=(0, run.steps),
                value=shrunk,
                limit=self.shrunk,
            )
        ]
        if pull is not None and not decoupled:
            evidence.append(
                Evidence(
                    "grad_norm",
                    f"at the end decay pulls {pull:.2g} times as hard as the gradient of the task",
                    value=pull,
                    limit=self.pull,
                )
            )
        return self._found(
            f"weight_decay={optimizer.weight_decay:g} of {optimizer.type} outweighs the task: the "
            f"weights fell to {shrunk:.1%} of their size, and only "
            f"{_percent(seen)} of what there is to learn was learnt.",
            seen,
            evidence,
            where=optimizer.type,
            source=optimizer.source,
        )

    def _dropout(self, run: Run, seen: Progress) -> Finding | None:
        """A dropout that keeps almost nothing, in a model that does not fit."""
        modules = [m for m in run.modules if m.type == "Dropout" and "p" in m.settings]
        strong = [m for m in modules if m.settings["p"] >= self.dropout]
        written = run.hygiene.functional_dropout
        if any(m.settings["p"] == written for m in modules):
            written = 0.0  # a layer called it
        if not (strong or written >= self.dropout) or (seen.learnt or 0.0) >= self.poor:
            return None
        if strong:
            worst = max(strong, key=lambda m: float(m.settings["p"]))
            name, source, p = worst.name, worst.source, float(worst.settings["p"])
            names = ", ".join(m.name for m in strong)
        else:
            name, source, p = "F.dropout", run.hygiene.functional_dropout_source, written
            names = name
        evidence = [
            Evidence(
                "module",
                f"{names}: p = {p:g} deletes {p:.0%} of the units",
                where=name,
                value=p,
                limit=self.dropout,
            ),
            Evidence(
                "objective_loss",
                f"{_percent(seen)} of what there is to learn was learnt",
                value=seen.learnt,
                limit=self.poor,
            ),
        ]
        return self._found(
            f"{'Dropout ' if strong else ''}{name} deletes {p:.0%} of its units in each step, and "
            f"the model does not fit its own training data ({_percent(seen)} learnt).",
            seen,
            evidence,
            where=name,
            source=source,
        )

    def _found(
        self, says: str, seen: Progress, evidence: list[Evidence], where: str = "", source: str = ""
    ) -> Finding:
        ruined = seen.learnt is not None and seen.learnt < self.halved
        return self.finding(
            says,
            *evidence,
            severity="critical" if ruined else "warning",
            confidence=0.85,
            where=where,
            source=source,
            first_step=0,
        )


def _percent(seen: Progress) -> str:
    return f"{max(seen.learnt or 0.0, 0.0):.0%}"


def _count(names: set[str]) -> str:
    return f"{len(names)} weight tensor{'s' if len(names) > 1 else ''}"
