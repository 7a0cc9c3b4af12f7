"""overfitting: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from penlight.core.facts import Feed, Inputs, Predictions, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import SIGMAS, chance_loss, fall, loss_curve
from penlight.pitfalls._evaluations import held_out_passes


class Overfitting(Pitfall):
    """The model memorises its training samples and gets worse on new ones.

    A student who learns last year's answer sheet by heart: full marks in practice, and each
    further evening with the sheet makes the real exam go worse.

    ## What happens
    When all that the data share has been learnt, the loss can only fall further by fitting what
    is particular to single samples: noise, mislabelled cases, accidents. On samples that the
    model has not seen this shows as confident wrong answers.

    ## Symptoms
    - The training loss keeps falling while the validation loss turns and rises.
    - The validation loss rises first, accuracy follows later or stays.
    - The best checkpoint lies far before the end of the run.

    ## Causes
    - Few samples for the number of weights, noisy labels, no augmentation.
    - Training long past the best validation loss.
    - `next(iter(loader))` in the loop: without shuffling this is the first batch, again and again.

    ## When not to worry
    Learning one batch by heart is a good test of a model; it is reported only where held-out rows
    are judged beside it. A gap between training and validation loss alone is no fault, and neither
    is a training accuracy of 1. A validation loss that creeps up a little while accuracy stays is
    over-confidence; a temperature on the logits repairs it.

    ## References
    - Google, Deep Learning Tuning Playbook: problematic overfitting.
    - C. Zhang et al., Understanding deep learning requires rethinking generalization, ICLR 2017.
    - A. Karpathy, A Recipe for Training Neural Networks (2019).
    """

    family = "generalisation"
    stands_alone = True
    needs = (Predictions, Targets, Feed, Inputs, LOSS, OBJECTIVE_LOSS)
    caused_by = (
        "loss-spike",
        "misaligned-labels",
        "eval-mode-forgotten",
        "causal-leak",
        "cross-sample-leak",
        "not-shuffled",
        "dropout-norm-misuse",
        "augmentation-breaks-labels",
        "distribution-shift",
        "label-noise",
        "catastrophic-forgetting",
    )
    looks_like = {
        "duplicate-augmentation-workers": (
            "Workers that share a generator are seen in the dataset, before any epoch."
        ),
        "catastrophic-forgetting": (
            "Forgetting loses rows that were trained on, once their kind is not seen any more."
        ),
        "overconfidence": ("An overconfident model gives the same answers, only too surely."),
        "distribution-shift": (
            "A shift is there from the first epoch on and shows in the rows themselves."
        ),
        "bn-stale-or-small-batch": (
            "Batch norm with statistics of no use is a difference between the two modes on the "
            "same samples."
        ),
        "eval-mode-forgotten": (
            "A forgotten `eval()` makes validation worse from the first pass on, by dropout or "
            "batch norm in training mode."
        ),
        "misaligned-labels": "With mixed-up labels validation is at chance from the first pass on.",
        "not-shuffled": "Data sorted by class show as batches that hold one class only.",
        "train-val-leakage": (
            "A leak makes validation too good: rows of the validation set were trained on."
        ),
    }
    t: float = limit(
        4.0,
        why="paired over the samples; 4 is one chance in 30,000, and two in a row make up for the "
        "best pass having been picked as the lowest; a run that memorised 60 samples showed 11",
    )
    agreed: float = limit(
        2.0,
        why="paired over the samples, in every pass of the last quarter; 92 held-out rows of "
        "scikit-learn's diabetes data gave 2.5 to 2.8 while 120 rows were learnt by heart",
    )
    memorised: float = limit(
        0.1, why="of the validation loss: a training loss under it can only come from memory"
    )
    rise: float = limit(
        0.1,
        why="share of the best validation loss; passes of healthy runs wobble by up to 10% around "
        "their best (benchmarks/healthy: imbalanced_binary 7%, mlp_cls 12% without significance)",
    )
    costly: float = limit(
        0.25,
        why="of the loss of a guess that knows nothing: a quarter of all there is to know was lost "
        "again; over-confidence of healthy long runs stayed under 0.1",
    )
    nothing: float = limit(
        0.02,
        why="of that loss: a training loss below it leaves nothing to learn, so that what follows "
        "is memory alone",
    )
    wrong: float = limit(
        0.2,
        why="of the held-out answers, where every training row is known by heart: a gap of a fifth "
        "is what a user sees; mlp_cls of benchmarks/healthy, which learns all its rows, has 0.03 "
        "to 0.05",
    )
    passes: float = limit(
        8, why="evaluations of a history without samples to pair: fewer make no trend"
    )
    unpaired: float = limit(
        0.25,
        why="share of the best validation loss, where there are no samples to pair: twice the "
        "widest wobble of the healthy runs (benchmarks/healthy: mlp_cls 12%)",
    )
    points: float = limit(
        0.05,
        why="of accuracy, where no loss tells: five answers in a hundred given right before and "
        "wrong now, beyond chance; in healthy runs of one task the last two passes stayed within "
        "1.1 points of the best (benchmarks/healthy: lenet)",
    )
    again: float = limit(
        20, why="iterators dropped after their first batch: a script that peeks does so once"
    )
    few: float = limit(
        0.25,
        why="of the dataset is all that was trained on: a first batch is 2% of it in ordinary "
        "loaders, and a loader of three batches is none to speak of",
    )
    apart: float = limit(
        2.0,
        why="held-out loss over training loss: rows of the one batch are known by heart (digits, "
        "800 steps: 0.001 against 0.6), those of a whole training set are not",
    )
    _loop = (
        Prescription(
            "Loop over the loader: for x, y in loader: ..., with shuffle=True. For an endless "
            "stream begin it once, outside of the loop: batches = iter(loader), and anew when it "
            "ends.",
            "iter(loader) starts from the first row each time, and next() takes one batch of it.",
            "learning one batch by heart is the very test that you want to make",
        ),
    )
    prescriptions = (
        Prescription(
            "Keep the weights of the best validation pass and stop when it has not improved for a "
            "few epochs: best = copy.deepcopy(model.state_dict()), later "
            "model.load_state_dict(best).",
            "The best model of this run already existed.",
            edits=("early-stopping",),
        ),
        Prescription(
            "Get more data, or augment what you have.",
            "Noise averages out over samples, what they share does not.",
            "the augmentation changes what the label means",
        ),
        Prescription(
            "Add dropout of 0.1 to 0.5 between the hidden layers.",
            "Memorising single samples becomes dearer than learning what they share.",
            "the training loss is not near its floor: the model is not even fitting",
            edits=("dropout",),
        ),
        Prescription(
            "Or raise the weight decay, or take a smaller model.",
            "Smooth functions need smaller weights than memories do.",
            "the training loss is not near its floor: the model is not even fitting",
            edits=("weight-decay",),
        ),
    )
    demo = Demo(
        script="""\
import copy
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 4
centres = 0.5 * torch.randn(classes, 20)
labels = torch.randint(0, classes, (1100,))
features = centres[labels] + torch.randn(1100, 20)
wrong = torch.rand(1100) < 0.15  # the annotators were tired
labels[wrong] = torch.randint(0, classes, (int(wrong.sum()),))
train_x, train_y, val_x, val_y = features[:100], labels[:100], features[100:], labels[100:]

model = nn.Sequential(
    nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, classes)
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()


def validate():
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        return loss_fn(scores, val_y).item(), (scores.argmax(1) == val_y).float().mean().item()


best, best_epoch, patience = float("inf"), 0, 1000
for epoch in range(40):
    model.train()
    for rows in torch.randperm(100).split(20):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    val_loss, accuracy = validate()
    print(f"epoch {epoch}: train {loss.item():.3f}, val {val_loss:.3f}, accuracy {accuracy:.3f}")
    if val_loss < best:
        best, best_epoch = val_loss, epoch
    elif epoch - best_epoch >= patience:
        break

val_loss, accuracy = validate()
print("RESULT " + json.dumps({"metric": "validation loss", "value": val_loss}))
""",
        cure=(
            ('patience = float("inf"), 0, 1000', 'patience = float("inf"), 0, 3'),
            (
                "        best, best_epoch = val_loss, epoch\n",
                (
                    "        best, best_epoch = val_loss, epoch\n"
                    "        best_weights = copy.deepcopy(model.state_dict())\n"
                ),
            ),
            (
                "\nval_loss, accuracy = validate()",
                "\nmodel.load_state_dict(best_weights)\nval_loss, accuracy = validate()",
            ),
        ),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        one = self._one_batch(run)
        if one is not None:
            yield one
            return
        for passes in held_out_passes(run):
            told = any(p.loss is not None for p in passes)
            if not passes[0].samples:
                finding = self._by_curve(run, passes)
            else:
                finding = self._judge(run, passes) if told else self._by_accuracy(run, passes)
            if finding is None:
                continue
            if run.steps and run.hygiene.restored == run.steps:
                says = f"{finding.says} Other weights were put back when the training was over."
                finding = replace(finding, says=says, severity="note")
            yield finding

    def _one_batch(self, run: Run) -> Finding | None:
        """Each step has begun the loader anew, and held-out rows pay for it."""
        feeds = [f for f in run.all(Feed) if f.single >= max(self.again, 0.9 * f.iterators)]
        fed = max(run.inputs, key=lambda i: i.samples, default=None)
        passes = next(iter(held_out_passes(run)), [])
        if not feeds or fed is None or not fed.shape or not passes or passes[-1].loss is None:
            return None
        batch, rows = fed.shape[0], fed.samples * (1 - fed.repeated_rows)
        feed = max(feeds, key=lambda f: f.single)
        if feed.batches < 2 or rows > batch + 0.5 or fed.samples < 4 * batch:
            return None  # other batches came from elsewhere, or too few were looked at
        end = self._training_losses(run, run.steps)[1]
        held_out = passes[-1].loss
        if batch > self.few * feed.rows or not held_out > self.apart * end:
            return None
        return self.finding(
            f"Each step begins the loader anew and takes its first batch: {batch} of {feed.rows} "
            f"rows are all that the model has seen. Its loss is {end:.3g} on them and "
            f"{held_out:.3g} on held-out rows.",
            Evidence(
                "feed",
                f"{feed.single} of {feed.iterators} iterators were dropped after one of their "
                f"{feed.batches} batches",
                where=feed.source,
                value=feed.single,
                limit=self.again,
            ),
            Evidence(
                "predictions",
                f"loss on {passes[-1].samples} held-out samples over that on the batch",
                where=passes[-1].objective,
                steps=(passes[-1].step, passes[-1].step),
                value=held_out / max(end, 1e-12),
                limit=self.apart,
            ),
            severity="critical",
            confidence=0.95,
            where=feed.source,
            source=feed.source,
            first_step=0,
            prescriptions=self._loop,
        )

    def _by_accuracy(self, run: Run, passes: list[Predictions]) -> Finding | None:
        """The same for passes that only count right answers."""
        scored = [(p.accuracy, p) for p in passes if p.accuracy is not None]
        if len(scored) < 4:
            return None
        top, best = max(scored, key=lambda pair: pair[0])
        now, last = max(scored[-2:], key=lambda pair: pair[0])
        noise = math.sqrt(2 * max(top * (1 - top), 1e-6) / last.samples)
        if top - now < max(self.points, self.t * noise) or len(run.optimizers) > 1:
            return None  # several optimisers: folds, or one task after another
        since = [value for value, p in scored if p.step > best.step]
        half = len(since) // 2
        if not half or np.mean(since[:half]) - np.mean(since[-half:]) < (top - now) / 4:
            return None  # a sudden fall that goes up again is another set of data
        before, after = self._training_losses(run, best.step)
        if not after < before:
            return None
        return self.finding(
            f"Since step {best.step} the accuracy on held-out samples has fallen from {top:.1%} to "
            f"{now:.1%} while the training loss fell from {before:.3g} to {after:.3g}.",
            Evidence(
                "predictions",
                f"of the same {last.samples} held-out samples {top:.1%} were right at step "
                f"{best.step}, {now:.1%} at step {last.step}",
                where=last.objective,
                steps=(best.step, last.step),
                value=top - now,
                limit=self.points,
            ),
            severity="warning",
            confidence=0.85,
            where=last.objective,
            first_step=best.step,
        )

    def _judge(self, run: Run, passes: list[Predictions]) -> Finding | None:
        losses = [(p.loss, p) for p in passes if p.loss is not None and math.isfinite(p.loss)]
        if len(losses) < 4:
            return None
        lowest, best = min(losses, key=lambda pair: pair[0])
        last_loss, last = losses[-1]
        worse = [p for _, p in losses[-2:] if p.paired_t is not None and p.paired_t > self.t]
        sure = len(worse) == 2 and last_loss >= (1 + self.rise) * lowest
        if lowest <= 0 or not (sure or self._stays_worse(losses, lowest)):
            return None
        since = [value for value, p in losses if p.step >= best.step]
        if max(a - b for a, b in pairwise(since)) >= last_loss - lowest:
            return None  # swings: it has fallen by more in one go than it has risen in all
        before, after = self._training_losses(run, best.step)
        if not after < before or not (sure or after < self.memorised * last_loss):
            return None
        chance = self._chance(run, last) or losses[0][0]
        lost = (last_loss - lowest) / chance
        skill = self._skill_lost(passes, last)
        by_heart = after < self.nothing * chance
        wrong = by_heart and last.accuracy is not None and last.accuracy < 1 - self.wrong
        costly = lost > self.costly or ((skill is not None or wrong) and lost > self.rise)
        says = (
            f"Since step {best.step} the validation loss has risen from {lowest:.3g} to "
            f"{last_loss:.3g} while the training loss fell from {before:.3g} to {after:.3g}"
        )
        evidence = [
            Evidence(
                "predictions",
                f"loss on the same {last.samples} held-out samples: {lowest:.3g} at step "
                f"{best.step}, "
                f"{last_loss:.3g} at step {last.step} (paired t = {last.paired_t:.1f})",
                where=last.objective,
                steps=(best.step, last.step),
                value=last.paired_t,
                limit=self.t,
            ),
            Evidence(
                "predictions",
                f"the rise is {lost:.0%} of the {chance:.3g} that a guess without knowledge would "
                "cost",
                where=last.objective,
                value=lost,
                limit=self.costly,
            ),
        ]
        if skill is not None:
            evidence.append(Evidence("predictions", skill, where=last.objective))
        return self.finding(
            says + ".",
            *evidence,
            severity="warning" if costly else "note",
            confidence=0.9 if costly else 0.6,
            where=last.objective,
            first_step=best.step,
        )

    def _stays_worse(self, losses: list[tuple[float, Predictions]], lowest: float) -> bool:
        """Few held-out samples: each pass alone is no proof, but all of the last quarter agree."""
        late = losses[-max(4, len(losses) // 4) :]
        return len(losses) >= self.passes and all(
            p.paired_t is not None
            and p.paired_t > self.agreed
            and value >= (1 + self.unpaired) * lowest
            for value, p in late
        )

    def _by_curve(self, run: Run, passes: list[Predictions]) -> Finding | None:
        """The same from a curve alone, as histories of other tools hold it: nothing to pair."""
        losses = [(p.loss, p) for p in passes if p.loss is not None and math.isfinite(p.loss)]
        if len(losses) < self.passes:
            return None
        lowest, best = min(losses, key=lambda pair: pair[0])
        since = np.array([value for value, p in losses if p.step >= best.step])
        last, end = losses[-1][1], float(np.mean(since[-3:]))
        if lowest <= 0 or float(since[-3:].min()) < (1 + self.unpaired) * lowest:
            return None
        slope, error = fall(since)
        before, after = self._training_losses(run, best.step)
        if -slope < SIGMAS * error or not after < before:
            return None
        chance = chance_loss(run) or losses[0][0]
        lost = (end - lowest) / chance
        return self.finding(
            f"Since step {best.step} the validation loss has risen from {lowest:.3g} to {end:.3g} "
            f"while the training loss fell from {before:.3g} to {after:.3g}.",
            Evidence(
                "predictions",
                f"{len(since) - 1} passes after the best one, the last three at least "
                f"{self.unpaired:.0%} above it",
                where=last.objective,
                steps=(best.step, last.step),
                value=float(since[-3:].min()) / lowest - 1,
                limit=self.unpaired,
            ),
            severity="warning" if lost > self.costly else "note",
            confidence=0.8 if lost > self.costly else 0.5,
            where=last.objective,
            first_step=best.step,
        )

    @staticmethod
    def _training_losses(run: Run, since: int) -> tuple[float, float]:
        """Mean training loss around the best validation pass, and at the end."""
        curve = loss_curve(run).finite
        if len(curve) < 10:
            return math.nan, math.nan
        width = max(5, run.steps // 20)
        around = curve.between(since - width, since).values
        end = curve.between(run.steps - width, math.inf).values
        if not len(around) or not len(end):
            return math.nan, math.nan
        return float(np.mean(around)), float(np.mean(end))

    @staticmethod
    def _chance(run: Run, seen: Predictions) -> float | None:
        """Loss of the best constant guess on the held-out samples."""
        total = sum(seen.labels)
        if total:
            shares = [n / total for n in seen.labels if n]
            return -sum(s * math.log(s) for s in shares) or None
        return chance_loss(run)

    @staticmethod
    def _skill_lost(passes: list[Predictions], last: Predictions) -> str | None:
        """A sentence when the last pass is also clearly worse in accuracy or explained variance."""
        accuracies = [p.accuracy for p in passes if p.accuracy is not None]
        if accuracies and last.accuracy is not None:
            top = max(accuracies)
            error = math.sqrt(max(top * (1 - top), 1e-6) / max(last.samples, 1))
            if top - last.accuracy > max(0.02, 3 * error):
                return f"accuracy fell from {top:.1%} to {last.accuracy:.1%}"
        explained = [p.explained for p in passes if p.explained is not None]
        if explained and last.explained is not None and max(explained) - last.explained > 0.05:
            return f"explained variance fell from {max(explained):.1%} to {last.explained:.1%}"
        return None
