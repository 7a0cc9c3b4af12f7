"""eval-mode-forgotten: see the card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from penlight.core.facts import NAMED, Hygiene, Module, Optimizer, Parameter, Predictions
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class EvalModeForgotten(Pitfall):
    """The model is judged in training mode, or trained in evaluation mode.

    The final exam with half of the questions torn out at random: the exercise that trained the
    pupil in the gym is left running while the marks are given.

    ## What happens
    Dropout and batch norm behave differently while training: dropout switches units off at
    random, batch norm uses the statistics of the current batch and updates its memory. Without
    `model.eval()` the validation score is noisy, too low, depends on the batch size, and the
    validation data leaks into batch norm's memory. Without `model.train()` afterwards dropout
    stays off and batch norm stays frozen for the rest of the training.

    ## Symptoms
    - The same batch scores differently each time.
    - Validation is worse than training although the model has not overfitted.
    - A single sample at inference gives nonsense.

    ## Causes
    - `model.eval()` missing before validation, or `model.train()` after it.
    - `F.dropout(x, p)` in `forward`: it knows nothing of `eval()` unless told `self.training`.

    ## When not to worry
    Monte Carlo dropout (many passes over one batch on purpose), sampling from a GAN's generator,
    momentum teachers, and batch norm frozen for fine-tuning.

    ## References
    - torch documentation, Autograd mechanics: evaluation mode.
    - J. Tobin, Troubleshooting Deep Neural Networks (Full Stack Deep Learning).
    """

    family = "loop bug"
    needs = (Hygiene, Predictions, Module, Optimizer, Parameter)
    looks_like = {
        "bn-stale-or-small-batch": (
            "Batch norm with statistics of no use differs between the modes although both are "
            "called at the right time."
        ),
        "cross-sample-leak": (
            "Samples that leak into each other do so in evaluation mode, too: something other "
            "than batch norm mixes the rows."
        ),
        "dropout-norm-misuse": (
            "Dropout on the output spoils the training loss; in evaluation mode the model does "
            "well."
        ),
        "misaligned-labels": "With mixed-up labels validation is at chance in either mode.",
        "overfitting": "Overfitting shows later, with the modules in evaluation mode.",
    }
    share: float = limit(
        0.5,
        why="a loop that forgets eval() does so at every evaluation, a correct one never; a few "
        "odd passes (a look at one batch, a shape test) stay below half",
    )
    least: float = limit(2, why="one stray pass, for instance to count parameters, is no habit")
    prescriptions = (
        Prescription(
            "Call model.eval() before every validation and model.train() before training goes on.",
            "eval() switches dropout off and makes batch norm use its running statistics.",
            "you sample with dropout on purpose (Monte Carlo dropout)",
            edits=("eval-mode",),
        ),
    )
    _train = (
        Prescription(
            "Call model.train() after each validation, right before the next training step.",
            "A validation within the epoch leaves the model in evaluation mode.",
            "the batch norms are pretrained and frozen: then they have statistics of their own",
            edits=("train-mode",),
        ),
    )
    _functional = (
        Prescription(
            "Use self.dropout = nn.Dropout(p), or F.dropout(x, p, training=self.training).",
            "F.dropout alone is always on.",
            "you sample with dropout on purpose (Monte Carlo dropout)",
            edits=("dropout-training",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 10
centres = 0.9 * torch.randn(classes, 20)
y = torch.randint(0, classes, (3000,))
x = centres[y] + torch.randn(3000, 20)
train_loader = DataLoader(TensorDataset(x[:2000], y[:2000]), batch_size=50, shuffle=True)
val_loader = DataLoader(TensorDataset(x[2000:], y[2000:]), batch_size=200)

model = nn.Sequential(
    nn.Linear(20, 128),
    nn.ReLU(),
    nn.Dropout(0.6),
    nn.Linear(128, 128),
    nn.ReLU(),
    nn.Dropout(0.6),
    nn.Linear(128, classes),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def validate():
    correct, loss = 0, 0.0
    with torch.no_grad():
        for xb, yb in val_loader:
            logits = model(xb)
            loss += criterion(logits, yb).item() / len(val_loader)
            correct += (logits.argmax(1) == yb).sum().item()
    return loss, correct / 1000


for epoch in range(8):
    model.train()
    for xb, yb in train_loader:
        optimizer.zero_grad()
        criterion(model(xb), yb).backward()
        optimizer.step()
    val_loss, accuracy = validate()
    print(f"epoch {epoch}: validation loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("    correct, loss = 0, 0.0\n", "    model.eval()\n    correct, loss = 0, 0.0\n"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        seen = _named(run, run.hygiene)
        if seen.eval_forwards >= self.least:
            # Dropout switched back on by itself in a model that is in evaluation mode is Monte
            # Carlo dropout: then its modules are named too.
            loose = seen.eval_functional_dropout >= self.share * seen.eval_forwards
            if loose and not seen.eval_modules:
                yield self._always_on(run, seen)
            elif not loose and self._judged(run):
                yield self._judged_in_training(run, seen)
        if self._never_in_training(run, seen):
            yield self._trained_unnormalised(seen)
        elif self._stuck_in_evaluation(run, seen):
            yield self._trained_in_evaluation(seen)

    def _judged(self, run: Run) -> bool:
        """Whether those passes can have been an evaluation, not sampling from a generator."""
        seen = run.hygiene
        habit = seen.eval_training_mode >= self.share * seen.eval_forwards
        if not habit or not seen.eval_modules:
            return False
        loose = [p for p in run.all(Predictions) if p.phase == "eval" and p.modules_training]
        return bool(loose) or len(run.optimizers) == 1

    def _judged_in_training(self, run: Run, seen: Hygiene) -> Finding:
        names = _list(seen.eval_modules)
        loose = [p for p in run.all(Predictions) if p.phase == "eval" and p.modules_training]
        evidence = [
            Evidence(
                "hygiene",
                f"{seen.eval_training_mode} of {seen.eval_forwards} gradient-free passes ran with "
                f"{names} in training mode",
                where=seen.eval_modules[0],
                value=seen.eval_training_mode,
                limit=0,
            )
        ]
        if loose:
            evidence.append(
                Evidence(
                    "predictions",
                    f"{len(loose)} evaluations were scored that way",
                    steps=(loose[0].step, loose[-1].step),
                    value=len(loose),
                    limit=0,
                )
            )
        return self.finding(
            f"The model is evaluated in training mode ({names}): model.eval() was not called "
            "before validation, so dropout and batch norm still act as in training.",
            *evidence,
            severity="critical" if loose else "warning",
            confidence=0.99 if loose else 0.85,
            exact=bool(loose),
            where=seen.eval_modules[0],
            first_step=loose[0].step if loose else None,
        )

    def _always_on(self, run: Run, seen: Hygiene) -> Finding:
        scored = any(p.phase == "eval" for p in run.all(Predictions))
        return self.finding(
            f"F.dropout was active {seen.eval_functional_dropout} times in {seen.eval_forwards} "
            "evaluation passes: without training=self.training it does not follow model.eval().",
            Evidence(
                "hygiene",
                f"{seen.eval_functional_dropout} calls dropped units although model.eval() was on",
                value=seen.eval_functional_dropout,
                limit=0,
            ),
            severity="critical" if scored else "warning",
            confidence=0.95,
            prescriptions=self._functional,
        )

    def _stuck_in_evaluation(self, run: Run, seen: Hygiene) -> bool:
        """Whether training began in training mode and later went on in evaluation mode."""
        share = seen.train_eval_mode / max(1, seen.train_forwards)
        if not self.share <= share < 1 or not seen.train_modules or not seen.eval_forwards:
            return False
        if any(not p.requires_grad for p in run.parameters):
            return False  # a part is frozen on purpose, and its batch norm with it
        kinds = ("Dropout", "BatchNorm")
        noisy = {m.name for m in run.modules if any(k in m.type for k in kinds)}
        all_named = noisy <= set(seen.train_modules) or len(seen.train_modules) == NAMED
        return len(run.optimizers) == 1 and all_named

    def _never_in_training(self, run: Run, seen: Hygiene) -> bool:
        """Whether all batch norms were in evaluation mode throughout and know nothing of the data.

        Those that are frozen on purpose have statistics of their own, from another training.
        """
        norms = [m.name for m in run.modules if "BatchNorm" in m.type]
        every = len(seen.fresh_norms) in (len(norms), NAMED)
        always = seen.train_forwards > 0 and seen.train_eval_mode == seen.train_forwards
        return bool(norms) and every and always and len(run.optimizers) == 1

    def _trained_unnormalised(self, seen: Hygiene) -> Finding:
        names = _list(seen.fresh_norms)
        return self.finding(
            f"All {seen.train_forwards} training passes ran in evaluation mode, and batch norm "
            f"({names}) never met a batch: it hands on what it is given.",
            Evidence(
                "hygiene",
                "running statistics are those of the initialisation, 0 and 1, at the end of the "
                "training",
                where=seen.fresh_norms[0],
                value=seen.train_eval_mode,
                limit=0,
            ),
            confidence=0.97,
            exact=True,
            where=seen.fresh_norms[0],
            first_step=0,
            prescriptions=self._train,
        )

    def _trained_in_evaluation(self, seen: Hygiene) -> Finding:
        names = _list(seen.train_modules)
        return self.finding(
            f"{seen.train_eval_mode} of {seen.train_forwards} training passes ran in evaluation "
            f"mode ({names}): model.train() was not called again after a validation.",
            Evidence(
                "hygiene",
                f"{names} were in evaluation mode while gradients were computed",
                where=seen.train_modules[0],
                value=seen.train_eval_mode,
                limit=0,
            ),
            severity="warning",
            confidence=0.95,
            exact=True,
            where=seen.train_modules[0],
            prescriptions=self._train,
        )


def _named(run: Run, seen: Hygiene) -> Hygiene:
    """The same, with modules by the names that the run has for them, not those within a model."""
    full = {m.name.removeprefix(f"{m.root}."): m.name for m in run.modules}
    return replace(
        seen,
        eval_modules=tuple(full.get(n, n) for n in seen.eval_modules),
        train_modules=tuple(full.get(n, n) for n in seen.train_modules),
        fresh_norms=tuple(full.get(n, n) for n in seen.fresh_norms),
    )


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
