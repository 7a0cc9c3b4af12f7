"""underfitting-capacity: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Exam, Graph, Module, Objective, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import Progress, progress
from penlight.pitfalls._graph import wirings
from penlight.pitfalls._halves import halves
from penlight.pitfalls._rates import Rates, rates


class UnderfittingCapacity(Pitfall):
    """The model is too narrow for the task: a layer lets too few numbers through.

    A whole orchestra heard through a keyhole: however fine the ears behind it, one can tell that
    music is being played, and not much more.

    ## What happens
    Whatever a layer of two units does not pass on is lost for all layers behind it. To give each
    of C classes its own side of a plane, C - 1 independent numbers are needed; with far fewer the
    classes must share, and the training loss stops where sharing ends.

    ## Symptoms
    - The training loss is flat and high, and the validation loss lies right on it.
    - More epochs, another rate, another optimiser: all the same.
    - A wider model does better at once.

    ## Causes
    - A hidden layer with a handful of units, a stray 2 in a list of widths.
    - Pooling down to one number per image before the classifier.

    ## When not to worry
    An autoencoder's bottleneck is meant. Noisy labels give the same plateau, and there a wider
    model memorises instead of getting better.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks (2019): first overfit, then regularise.
    - J. Tobin, Troubleshooting Deep Neural Networks (Full Stack Deep Learning).
    """

    family = "optimisation"
    needs = (Module, Parameter, Objective, Graph, Exam, LOSS, OBJECTIVE_LOSS)
    caused_by = (
        "optimizer-coupled-weight-decay",
        "clip-always-on",
        "adam-epsilon-dominates",
        "hidden-bottleneck-or-shape-bug",
        "lr-too-high",
        "lr-too-low",
        "lr-schedule-exhausted",
        "excessive-regularisation",
        "input-scale",
        "dying-relu",
        "vanishing-gradient",
        "saturated-activation",
        "symmetric-init",
        "params-not-optimised",
        "gradient-cut",
        "missing-zero-grad",
        "misaligned-labels",
        "double-softmax",
        "eval-mode-forgotten",
        "cross-sample-leak",
    )
    looks_like = {
        "positional-information-missing": (
            "Attention that is not told the order gives the same answer to any order of the tokens."
        ),
        "moe-router-collapse": "A mixture of experts that collapsed has experts that get no token.",
        "optimizer-coupled-weight-decay": (
            "Decay that Adam divides makes the weights shrink, and balances the task's gradient."
        ),
        "label-noise": (
            "Wrong labels are missed surely; a model that is too small misses what it doubts."
        ),
        "augmentation-breaks-labels": (
            "A harmful augmentation contradicts clean rows, which a small learner reads better."
        ),
        "excessive-regularisation": (
            "Too strong a penalty shrinks the weights, or is a large part of the loss; the layers "
            "are wide enough."
        ),
        "hidden-bottleneck-or-shape-bug": (
            "A wiring mistake puts values into the wrong places, or one layer into several."
        ),
        "lr-too-low": (
            "With too low a rate the loss is still on its way down, and a higher rate does better "
            "in a replay."
        ),
        "misaligned-labels": (
            "With mixed-up labels nothing is learnt that holds on new samples, however wide the "
            "layers are."
        ),
        "missing-nonlinearity": (
            "A stack of linear layers has units enough, and no activation between them."
        ),
        "stopped-too-early": "A run that was stopped early still falls at the end.",
        "symmetric-init": "Equal units have identical rows of weights, however wide the layer is.",
    }
    narrow: float = limit(
        0.5,
        why="units for one of the C - 1 directions that C classes need: below half of them most "
        "classes cannot have a side of their own",
    )
    learnt: float = limit(
        0.8, why="share of what there is to learn: beyond it the bottleneck does not show"
    )
    gain: float = limit(
        0.1,
        why="of the loss, by which another rate improves the last state in a few dozen steps: "
        "beyond it the rate is the matter, not the width",
    )
    ahead: float = limit(
        0.6,
        why="of the loss of the narrow model, on rows that were not trained on: two units of tanh "
        "stood at 0.46 where 64 reached 0.1; sound nets of 16 units and noisy data gain nothing",
    )
    noisy: float = limit(
        2.0,
        why="times the loss in evaluation mode that the same batches have in training mode: from "
        "there on dropout takes more than the width does (SO-33969059 as its author mended it)",
    )
    still: float = limit(
        0.15,
        why="of the whole fall, in the last third: a run that still falls is short, not narrow",
    )
    steps: float = limit(
        200, why="fewer steps rarely reach a plateau; two epochs of a small data set"
    )
    prescriptions = (
        Prescription(
            "Widen the narrow layer to some multiple of the number of classes, 64 or 128 units.",
            "First make the model large enough to fit the training data, then regularise it.",
            "the bottleneck is the point, as in an autoencoder",
            edits=("widen",),
        ),
        Prescription(
            "Or replace a pooling down to one number by nn.Flatten or a smaller pooling.",
            "The classifier then sees where things are.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 12
centres = 1.2 * torch.randn(classes, 20)
labels = torch.randint(0, classes, (3000,))
features = centres[labels] + torch.randn(3000, 20)
train_x, train_y, val_x, val_y = features[:2400], labels[:2400], features[2400:], labels[2400:]

width = 1
model = nn.Sequential(
    nn.Linear(20, 64), nn.LeakyReLU(),
    nn.Linear(64, width), nn.LeakyReLU(),
    nn.Linear(width, classes),
)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(20):
    model.train()
    for rows in torch.randperm(2400).split(60):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = loss_fn(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch:2d}: train {loss.item():.3f}, val {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("width = 1\n", "width = 64\n"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen, objective = progress(run), run.objective
        if seen is None or seen.learnt is None or objective is None or run.steps < self.steps:
            return
        if seen.diverged or seen.learnt >= self.learnt:
            return
        late = rates(run, "rates_end")
        found = self._by_count(run, objective, seen, late) or self._by_trial(run, seen, late)
        if found is not None:
            yield found

    def _by_count(
        self, run: Run, objective: Objective, seen: Progress, compared: Rates | None
    ) -> Finding | None:
        """Fewer numbers than the classes need."""
        if not seen.fell or (
            compared is not None
            and max(compared.tenth, compared.tenfold) > compared.own + self.gain
        ):
            return None
        shape = objective.input_shape
        if objective.function not in ("cross_entropy", "nll_loss") or len(shape) != 2:
            return None
        if shape[0] == shape[1]:
            return None  # rows of a batch that are told apart are no classes
        classes, narrow = shape[1], self._narrowest(run)
        if narrow is None or _width(narrow) > self.narrow * (classes - 1):
            return None
        width = _width(narrow)
        evidence = [
            Evidence(
                "module",
                f"{narrow.name} passes {width} number{'s' if width > 1 else ''} per sample on, for "
                f"{classes} classes",
                where=narrow.name,
                value=width,
                limit=self.narrow * (classes - 1),
            ),
            Evidence(
                "objective_loss",
                f"the training loss went from {seen.first:.3g} to {seen.end:.3g}, "
                f"{seen.learnt:.0%} of "
                "what there is to learn",
                value=seen.learnt,
                limit=self.learnt,
            ),
        ]
        if compared is not None:
            evidence.append(
                Evidence(
                    "rates_end",
                    f"from the last state neither a tenth nor ten times the rate gains over the "
                    f"script's own by more than {self.gain:.0%}",
                    value=max(compared.tenth, compared.tenfold) - compared.own,
                    limit=self.gain,
                )
            )
        return self.finding(
            f"All that is known about a sample passes through the {width} "
            f"unit{'s' if width > 1 else ''} of {narrow.name}, too few for {classes} classes.",
            *evidence,
            severity="warning",
            confidence=0.75,
            where=narrow.name,
            source=narrow.source,
            first_step=0,
        )

    def _by_trial(self, run: Run, seen: Progress, late: Rates | None) -> Finding | None:
        """With room in its narrow layers a copy soon does better than the run ever did."""
        own, wide = halves(run), halves(run, "wide")
        narrow = self._narrowest(run, whole=False)
        if own is None or wide is None or narrow is None or run.steps < wide.steps:
            return None
        if seen.slope > self.still * (seen.first - seen.end) or self._noise(run) > self.noisy:
            return None
        onward = late.start * (1 - max(late.own, late.tenth, late.tenfold)) if late else seen.end
        if wide.held > self.ahead * min(own.held, seen.end, onward):
            return None
        width = _width(narrow)
        return self.finding(
            f"{narrow.name} has {width} unit{'s' if width > 1 else ''}, and with more of them a "
            f"copy learnt in {wide.steps} steps what the run did not in {run.steps}.",
            Evidence(
                "wide",
                f"trained on half of the rows, a copy whose narrow layers have 64 units took the "
                f"loss on the other half to {wide.held:.3g}, the model as it is to {own.held:.3g}",
                where=narrow.name,
                steps=(0, wide.steps),
                value=wide.held,
                limit=self.ahead * own.held,
            ),
            Evidence(
                "objective_loss",
                f"the training loss went from {seen.first:.3g} to {seen.end:.3g}",
                value=seen.end,
                limit=wide.held,
            ),
            severity="warning",
            confidence=0.85,
            where=narrow.name,
            source=narrow.source,
            first_step=0,
        )

    @staticmethod
    def _noise(run: Run) -> float:
        """How many times the loss in evaluation mode that in training mode is."""
        modes = run.exam("modes")
        if modes is None or not float(modes.values["eval"]) > 0:
            return 1.0
        return float(modes.values["train"]) / float(modes.values["eval"])

    @staticmethod
    def _narrowest(run: Run, whole: bool = True) -> Module | None:
        """The hidden layer that passes on the fewest numbers; `whole`: if all data go through."""
        weighted = {p.module for p in run.parameters if len(p.shape) > 1}
        layers = [m for m in run.modules if m.name in weighted and m.type in ("Linear", "Conv2d")]
        hidden = [m for m in layers[:-1] if len(m.output_shape) in (2, 4)]
        narrow = min(hidden, key=_width, default=None)
        if not whole:
            return narrow
        for wiring in wirings(run):
            for i in wiring.layers:
                if narrow is not None and wiring.place(i) == narrow.name:
                    alone = wiring.is_bottleneck(i) or wiring.is_entrance(i)
                    return narrow if alone else None
        return None


def _width(module: Module) -> int:
    return math.prod(module.output_shape[1:])
