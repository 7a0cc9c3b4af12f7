"""misaligned-labels: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Inputs, Predictions, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, DEPENDENCE, LOSS, OBJECTIVE_LOSS, OUTPUT_GRAD, TRAVEL
from penlight.pitfalls._evaluations import held_out_passes
from penlight.pitfalls._halves import halves
from penlight.pitfalls._shift import shift
from penlight.pitfalls._skill import beyond_luck, entropy, known, share, skill, skilled
from penlight.pitfalls._uninformed import fits_any_row, listens_and_learns_nothing

LOOKS = 5  # batches that an accuracy is averaged over: one alone may be lucky
LEAK = 0.05  # share of a pass's rows seen in training: a handful are duplicates in the data


class MisalignedLabels(Pitfall):
    """Labels do not belong to the inputs beside them.

    Name tags mixed up at a party: everyone wears one, none is right, and whoever learns them by
    heart greets the next guest with a stranger's name.

    ## What happens
    When inputs and labels are put in order separately, a label says nothing about its input. A
    large model can still memorise the pairs one by one, so its training loss falls. But there is
    no rule behind them, so nothing it learns holds for a sample it has not seen.

    ## Symptoms
    - Training accuracy climbs, validation accuracy never leaves chance, from the first epoch on.
    - Or, with a small model: the loss stops at the entropy of the labels whatever the rate.
    - Training by heart is slow: every sample has to be learnt on its own.

    ## Causes
    - Inputs and labels shuffled, sorted or filtered separately.
    - File lists from `glob` in another order than the label file.
    - A join on the wrong key, an index that is off by one.
    - Tokens shifted by hand for a language model that shifts its labels itself: each token is then
      asked for the one after the next.

    ## When not to worry
    Overfitting looks different: there, some early validation pass is clearly better than chance.
    Tasks in which the inputs really carry nothing (a coin, tomorrow's price) look the same, and
    so does a validation set that is preprocessed in another way.

    ## References
    - J. Tobin, Troubleshooting Deep Neural Networks (Full Stack Deep Learning).
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, ICSE 2020.
    - C. Zhang et al., Understanding deep learning requires rethinking generalization, ICLR 2017.
    """

    family = "data"
    needs = (
        Predictions,
        Targets,
        Inputs,
        Exam,
        LOSS,
        OBJECTIVE_LOSS,
        ACCURACY,
        DEPENDENCE,
        OUTPUT_GRAD,
        TRAVEL,
    )
    caused_by = (
        "symmetric-init",
        "vanishing-gradient",
        "forward-collapse",
        "saturated-activation",
        "dying-relu",
        "input-scale",
        "lr-too-high",
        "lr-too-low",
        "missing-nonlinearity",
        "excessive-regularisation",
        "label-encoding",
        "loss-broadcast",
        "cross-sample-leak",
        "no-information-from-input",
        "gradient-cut",
        "params-not-optimised",
        "eval-mode-forgotten",
        "dropout-norm-misuse",
        "augmentation-breaks-labels",
        "distribution-shift",
    )
    looks_like = {
        "label-noise": (
            "Where only part of the labels is wrong, the rule behind the others is learnt."
        ),
        "augmentation-breaks-labels": (
            "Augmented rows are made anew each time; mixed-up rows come again as they were."
        ),
        "eval-mode-forgotten": (
            "A forgotten `eval()` shows as dropout or batch norm in training mode during "
            "validation."
        ),
        "label-encoding": (
            "Wrongly coded labels have values that the loss cannot mean, such as -1 and 1 for a "
            "binary cross-entropy."
        ),
        "no-information-from-input": (
            "Without information in the input all predictions are the same."
        ),
        "not-shuffled": "Data sorted by class show in the batches: most hold one class only.",
        "overfitting": (
            "Overfitting is better than chance on held-out data first and gets worse later."
        ),
        "underfitting-capacity": (
            "A model that is too narrow learns a part, in training and in validation alike."
        ),
    }
    dealt: float = limit(
        0.5,
        why="of what targets dealt at random would give; rows keep their target in a training that "
        "is in order, and a few that are noisy do not add up to half",
    )
    kinds: float = limit(
        0.2, why="chance that two rows have different targets: under it most agree by themselves"
    )
    above: float = limit(
        0.2,
        why="training accuracy over that of naming the largest class: targets that change at "
        "random cannot be learnt, those that a model makes itself can",
    )
    memorised: float = limit(
        0.3,
        why="share of the labels' entropy learnt on the training samples: what was learnt by a "
        "rule "
        "holds for new samples as well, also when the model overfits (catalogue: held-out share "
        "0.66 with the right labels, -0.31 with shuffled ones)",
    )
    skill: float = limit(
        0.25,
        why="share of the errors of naming the most frequent class that the best pass avoided: "
        "mixed-up labels gave up to 0.2 when whole clusters of inputs were named right by luck",
    )
    lucky: float = limit(
        0.1,
        why="the same where the best pass lies more than 3.5 standard errors above naming the most "
        "frequent class: so much of a skill, small as it is, mixed-up labels do not leave",
    )
    informed: float = limit(
        0.1,
        why="share of the held-out labels' entropy: with the right labels the loss gets far below "
        "it before overfitting begins (0.66 in the catalogue), mixed-up ones gained 0.06 by luck",
    )
    begun: float = limit(
        0.1,
        why="share learnt on the training samples, and lost on held-out ones: a model with the "
        "right labels overfits as well, but not before it has learnt something that holds",
    )
    never: float = limit(
        0.03,
        why="share of what there is to know that the best held-out pass knew: with the right "
        "labels 0.3 and more before overfitting set in, with mixed-up ones 0.005",
    )
    certain: float = limit(
        3.0,
        why="paired t of the last held-out pass against the best: that it is worse is then no "
        "chance, and where no pass beat a guess, little needs to be learnt by heart to tell",
    )
    often: float = limit(6, why="held-out passes that such a slow parting is followed over")
    hint: float = limit(
        0.02,
        why="share learnt on the training samples meanwhile: rows shuffled apart from their labels "
        "had 0.026 after ten epochs of a small network, and a held-out loss that only rose",
    )
    samples: float = limit(
        100, why="held-out samples: fewer leave the loss uncertain by a tenth and more"
    )
    passes: float = limit(
        3, why="held-out passes: one late pass cannot tell mixed-up labels from overfitting"
    )
    modes: float = limit(
        1.5,
        why="loss in evaluation mode over that in training mode on the same batches: above it the "
        "validation is spoilt by stale batch-norm statistics, not by labels",
    )
    heart: float = limit(
        0.3,
        why="share learnt of one half of the rows: by then a rule, if there is one, shows on the "
        "other half; with mixed-up labels 0.36 to 0.99 were known and nothing of it held",
    )
    transfer: float = limit(
        0.02,
        why="share of it that holds for the other half, at its best moment: right labels gave 0.3 "
        "to 0.95 in the same experiment, mixed-up ones less than 0.005",
    )
    asked: float = limit(
        50, why="rows that are asked about: the loss of fewer is uncertain by more than a tenth"
    )
    whole: float = limit(
        0.3,
        why="share of repeated rows among the first 4,096 samples: the data are then so few that "
        "the captured rows are most of them, and what those do not show the run cannot learn",
    )
    skipped: float = limit(
        0.9,
        why="share of targets that are the token two places further on: 1 where they were shifted "
        "twice, and chance otherwise (tests/probe/test_exam.py)",
    )
    ahead: float = limit(
        1e-5, why="a model that reads from left to right moves no earlier output at all"
    )
    _shift_once = (
        Prescription(
            "Shift the targets once: pass labels=input_ids where the model shifts them itself "
            "(those of transformers do), or shift by hand and compute the loss yourself.",
            "The answer to each token is then the one that follows.",
            "the model is meant to guess two tokens ahead, and another loss asks for the next",
            edits=("shift-once",),
        ),
    )
    prescriptions = (
        Prescription(
            "Look at twenty pairs as they enter the model, inputs and labels side by side.",
            "Mixed-up pairs are seen at once.",
        ),
        Prescription(
            "Shuffle with one permutation: order = rng.permutation(len(x)); x, y = x[order], "
            "y[order].",
            "Two calls of shuffle give two different orders.",
            edits=("same-order",),
        ),
        Prescription(
            "Join files and labels by name, and sort both lists: sorted(glob(...)).",
            "glob gives files in the order of the disk.",
            edits=("sort-files",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)
classes = 5
centres = rng.normal(size=(classes, 16))
y = rng.integers(0, classes, 1000)
x = centres[y] + rng.normal(size=(1000, 16))
x_train, y_train, x_val, y_val = x[:500], y[:500], x[500:], y[500:]

x_train = rng.permutation(x_train)
y_train = rng.permutation(y_train)

train_x, val_x = torch.tensor(x_train).float(), torch.tensor(x_val).float()
train_y, val_y = torch.tensor(y_train), torch.tensor(y_val)
model = nn.Sequential(
    nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, classes)
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(25):
    model.train()
    for rows in torch.randperm(500).split(50):
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
        cure=(
            (
                "x_train = rng.permutation(x_train)\ny_train = rng.permutation(y_train)",
                "order = rng.permutation(500)\nx_train, y_train = x_train[order], y_train[order]",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        found = self._relabelled(run) or self._shifted_twice(run) or self._unrelated(run)
        if found is None and not self._other_rows(run):
            found = self._memorised(run) or self._parted(run)
        found = found or self._stuck(run) or self._map_alone(run) or self._by_heart(run)
        if found is not None:
            yield found

    def _relabelled(self, run: Run) -> Finding | None:
        """The same rows come with another target each time: dealt anew in every epoch."""
        exam = run.exam("relabelled")
        if exam is None:
            return None
        v = exam.values
        again, changed, chance = int(v["again"]), float(v["changed"]), float(v["chance"])
        if changed < self.dealt * chance or v["dealt"] < self.dealt or chance < self.kinds:
            return None
        site = run.objective.site if run.objective is not None else ""
        right = run.series(ACCURACY, site).finite.values
        guess = math.sqrt(max(0.0, 1 - chance))  # at least the share of the largest class
        windows = [float(np.mean(right[i : i + LOOKS])) for i in range(0, len(right), LOOKS)]
        if v["classes"] and max(windows, default=0.0) > guess + self.above:
            return None  # they could be learnt for a while: another task, or the model's own making
        return self.finding(
            f"Of {again} times that a training row came again, it had another target in "
            f"{changed:.0%}: inputs and targets are dealt in different orders.",
            Evidence(
                "relabelled",
                f"{changed:.0%} with another target than the time before; dealt at random, "
                f"{chance:.0%} would be",
                steps=(0, exam.step),
                value=changed,
                limit=self.dealt * chance,
            ),
            confidence=0.95,
            first_step=0,
        )

    def _shifted_twice(self, run: Run) -> Finding | None:
        """A model that reads from left to right is asked for the token after the next."""
        exam = run.exam("causality")
        v = exam.values if exam is not None else {}
        skipped = float(v.get("skipped", 0.0))
        if exam is None or skipped < self.skipped or v["earlier"] > self.ahead:
            return None
        if max(float(v["following"]), float(v["copied"])) >= self.skipped:
            return None  # a text that repeats itself
        return self.finding(
            "The target of each token is the one after the next: the targets were shifted twice, "
            "and the model is never asked for the token that follows.",
            Evidence(
                "causality",
                f"{skipped:.1%} of the targets are the token two places further on, "
                f"{v['following']:.1%} the next one",
                steps=(exam.step, exam.step),
                value=skipped,
                limit=self.skipped,
            ),
            Evidence(
                "causality",
                "no later token moves an earlier output: the model is one that reads from left to "
                "right",
                value=float(v["earlier"]),
                limit=self.ahead,
            ),
            confidence=0.95,
            exact=True,
            first_step=0,
            prescriptions=self._shift_once,
        )

    def _unrelated(self, run: Run) -> Finding | None:
        """Held-out rows go with their targets, training rows do not go with theirs."""
        seen = shift(run)
        if seen is None or not seen.unrelated:
            return None
        unit = "are named wrongly" if seen.classes else "of the variance stays"
        return self.finding(
            "What the targets of held-out rows say about them can be learnt, what those of "
            "training rows say cannot: in training, inputs and targets do not belong together.",
            Evidence(
                "exam",
                f"a small learner that saw {seen.rows // 2} training rows does no better on others "
                f"than a blind answer: {seen.inside:.0%} {unit}, and {seen.outside:.0%} of "
                f"held-out rows; one that saw as many held-out rows leaves {seen.own:.0%}",
                value=seen.outside,
                limit=seen.own,
            ),
            *seen.evidence[-1:],
            confidence=0.9,
            first_step=0,
        )

    def _other_rows(self, run: Run) -> bool:
        """Whether held-out passes fail for a reason of their own.

        Evaluation mode spoils the model, or what one half of the training rows teaches does hold
        for the other half: then it is the held-out rows that are different.
        """
        modes, seen = run.exam("modes"), halves(run)
        if modes is not None and modes.values["eval"] > self.modes * modes.values["train"] + 0.05:
            return True
        return seen is not None and seen.transferred > self.begun

    def _memorised(self, run: Run) -> Finding | None:
        """Training samples are known by heart, and no held-out pass was ever above chance."""
        for passes in held_out_passes(run):
            passes = [p for p in passes if p.loss is not None and any(p.labels)]
            if len(passes) < self.passes or passes[0].samples < self.samples:
                continue
            fit = known(run, passes[-1].step)
            if fit is None or fit < self.memorised:
                continue
            lowest = min(passes, key=lambda p: p.loss or 0.0)
            top = max(passes, key=skill)
            best, guess = skill(top), entropy(lowest)
            if (
                best >= (self.lucky if beyond_luck(top) else self.skill)
                or (lowest.loss or 0.0) < (1 - self.informed) * guess
            ):
                return None
            return self.finding(
                f"The training loss shows {fit:.0%} of the labels as learnt, yet none of "
                f"{len(passes)} held-out passes did better than a guess that does not look at the "
                "inputs: labels and inputs do not belong together.",
                Evidence(
                    "predictions",
                    f"lowest held-out loss {lowest.loss:.3g} at step {lowest.step}; guessing by "
                    f"class frequency costs {guess:.3g} ({lowest.samples} samples)",
                    where=lowest.objective,
                    steps=(passes[0].step, passes[-1].step),
                    value=lowest.loss,
                    limit=(1 - self.informed) * guess,
                ),
                Evidence(
                    "objective_loss",
                    f"{fit:.0%} of the labels' entropy learnt on the training samples by step "
                    f"{passes[-1].step}",
                    steps=(0, passes[-1].step),
                    value=fit,
                    limit=self.memorised,
                ),
                confidence=0.8,  # held-out rows fail for other reasons, too: docs/accuracy.md
                first_step=passes[0].step,
            )
        return None

    def _parted(self, run: Run) -> Finding | None:
        """From the first step on the held-out loss goes up while the training loss goes down."""
        for passes in held_out_passes(run):
            shares = [(s, p) for p in passes if (s := share(p)) is not None]
            if len(shares) < self.passes or passes[0].samples < self.samples:
                continue
            best, last = max(shares, key=lambda x: x[0]), shares[-1]
            fit = known(run, last[1].step)
            if fit is None or best[0] >= self.never or any(skilled(p, self.lucky) for p in passes):
                continue
            far = fit >= self.begun and last[0] <= -self.begun
            sure = (last[1].paired_t or 0.0) >= self.certain and len(shares) >= self.often
            if not far and not (sure and best[0] <= 0 and fit >= self.hint):
                continue
            return self.finding(
                f"The training loss shows {fit:.0%} learnt, and meanwhile the held-out loss only "
                f"rose, to {1 - last[0]:.0%} of what a guess costs that does not look at the "
                "inputs: labels and inputs do not belong together.",
                Evidence(
                    "predictions",
                    f"the best of {len(shares)} held-out passes knew {best[0]:.1%}, at step "
                    f"{best[1].step}; the last {last[0]:.0%} ({last[1].samples} samples)",
                    where=last[1].objective,
                    steps=(passes[0].step, last[1].step),
                    value=best[0],
                    limit=self.never,
                ),
                Evidence(
                    "objective_loss",
                    f"{fit:.0%} learnt on the training samples by step {last[1].step}",
                    steps=(0, last[1].step),
                    value=fit,
                    limit=self.begun,
                ),
                severity="critical" if far else "warning",
                confidence=0.85 if far else 0.75,
                first_step=passes[0].step,
            )
        return None

    def _stuck(self, run: Run) -> Finding | None:
        """Everything works and nothing is learnt: there is nothing to learn."""
        seen = listens_and_learns_nothing(run)
        if seen is None or not any(i.repeated_rows > 0.01 for i in run.inputs):
            return None
        return self.finding(
            f"After {run.steps} steps the loss stands at {seen.loss:.3g}, where guessing stands "
            f"({seen.chance:.3g}), although the model reacts to its inputs, gradients reach every "
            "layer and no other rate does better: the labels say nothing about the inputs.",
            *seen.evidence,
            severity="warning",
            confidence=0.7,
            first_step=0,
        )

    def _map_alone(self, run: Run) -> Finding | None:
        """Masks of other pictures: where things tend to be is all that can be learnt."""
        seen = fits_any_row(run)
        if seen is None:
            return None
        return self.finding(
            "The targets do not go with their inputs: the model's answers fit the masks of other "
            f"rows as well as their own. Its loss of {seen.loss:.3g} comes from where things tend "
            "to be.",
            *seen.evidence,
            confidence=0.85,
            first_step=0,
        )

    def _by_heart(self, run: Run) -> Finding | None:
        """A copy learns one half of the rows by heart, and that says nothing about the other."""
        seen, objective = halves(run), run.objective
        if seen is None or objective is None or objective.weighted or len(run.optimizers) != 1:
            return None
        if seen.rows < self.asked or seen.known < self.heart or seen.transferred > self.transfer:
            return None
        fed = run.inputs[0] if run.inputs else None
        if fed is None or fed.embedded or fed.repeated_rows < self.whole:
            return None
        passes = run.evaluations(held_out=False)
        if any(LEAK < (p.training_rows or 0.0) < 1 for p in passes):
            return None  # rows on both sides of the split: what is known by heart passes for skill
        if any(skilled(p, self.lucky) for p in run.evaluations()):
            return None
        return self.finding(
            f"A copy of the model learnt {seen.known:.0%} of what {seen.rows} training samples "
            f"say, and at no time did that help it with {seen.rows} others: labels and inputs do "
            "not belong together.",
            Evidence(
                "halves",
                f"in {seen.steps} steps on one half of the rows the lowest loss on the other half "
                f"was {seen.held:.3g}; an answer that does not look costs {seen.guess:.3g}",
                where=objective.site,
                steps=(0, seen.steps),
                value=seen.transferred,
                limit=self.transfer,
            ),
            Evidence(
                "halves",
                f"{seen.known:.0%} learnt of the half that was trained on",
                where=objective.site,
                value=seen.known,
                limit=self.heart,
            ),
            confidence=0.85,
            first_step=0,
        )
