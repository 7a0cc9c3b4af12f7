"""cross-sample-leak: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Carried, Exam, Graph, Inputs, Module, Objective
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.pitfalls._graph import MATMUL, wirings

RECURRENT = ("RNN", "GRU", "LSTM")
SPARSE = ("Sparse", "Scatter", "IndexAdd", "SegmentReduce")


class CrossSampleLeak(Pitfall):
    """The samples of a batch influence each other's predictions.

    An exam in which each pupil's mark depends on who happens to sit in the same room: put another
    class in the room and the same sheet of paper gets a different mark.

    ## What happens
    Somewhere in the forward pass the batch dimension is mixed with another one. The model then
    answers for the batch, not for the sample: during training it can read hints off its
    neighbours, and with other neighbours, or with none, its answers change.

    ## Symptoms
    - Predictions change with the batch size, with the order of the test set, or for single samples.
    - Training looks fair and the model is useless when it is called with one sample.
    - Accuracy stays below what a much simpler model reaches.

    ## Causes
    - `view` or `reshape` where the dimensions had to be permuted.
    - `softmax`, `mean`, `norm` or `cat` along dimension 0.
    - `nn.LSTM`, `nn.GRU` or `nn.MultiheadAttention` without `batch_first=True` on batch-first data,
      or with it on data that have time in front.
    - The hidden state of one batch handed to the next although the loader shuffles.

    ## When not to worry
    Batch norm couples samples in training mode on purpose; the experiment runs in evaluation mode,
    where it must not. Graph networks pass messages between the rows of one graph, and contrastive
    losses compare samples with each other: both are meant. A state that is carried through long
    texts or signals is, too, where the rows of a batch go on in those of the next.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks (2019): use backprop to chart dependencies.
    - torch documentation of `torch.nn.LSTM`, parameter `batch_first`.
    """

    family = "architecture"
    needs = (Exam, Carried, Objective, Inputs, Module, Graph)
    caused_by = ("hidden-bottleneck-or-shape-bug",)
    looks_like = {
        "bn-stale-or-small-batch": "Batch norm mixes the samples in training mode only.",
        "causal-leak": "Samples that leak into each other are different rows of a batch.",
        "eval-mode-forgotten": (
            "A forgotten `eval()` mixes the samples by batch norm alone, and only until `eval()` "
            "is called."
        ),
        "hidden-bottleneck-or-shape-bug": (
            "Recut memory shows in the shapes that a layer is fed; samples may leak with all "
            "values in place."
        ),
    }
    share: float = limit(
        1e-5,
        why="float32 rounding moves an untouched row by at most 1e-7 of the outputs' scale times "
        "the "
        "square root of the terms of a sum; independent rows moved by exactly 0 in all experiments",
    )
    noise: float = limit(
        10.0, why="times the change between two identical passes, so that randomness is no evidence"
    )
    often: float = limit(
        0.8,
        why="of the batches of a shuffled loader begin with the state that the last one ended "
        "with: by value, so by accident in none; an epoch may begin with a fresh one",
    )
    batches: float = limit(
        1, why="such batches looked at: equal sums over all entries in float64 are no accident"
    )
    _begin_fresh = (
        Prescription(
            "Begin each batch without a state (h = None, or self.rnn(x) alone).",
            "With shuffled rows the old state belongs to other samples.",
            "the state is meant to go on: then keep the rows in order (shuffle=False), so that "
            "row i of a batch goes on in row i of the next",
        ),
    )
    _time_first = (
        Prescription(
            "Leave batch_first=True out of LSTM and GRU layers that are fed (time, batch, ...), or "
            "hand them x.transpose(0, 1).",
            "With it they take the second dimension for time, and that is where the samples lie.",
        ),
    )
    prescriptions = (
        Prescription(
            "Swap dimensions with permute or transpose, never with view or reshape.",
            "view only cuts the same memory differently: values of one sample land in another.",
            edits=("permute",),
        ),
        Prescription(
            "Give every softmax, mean, norm and cat the dimension it means: dim=1 or dim=-1, not "
            "0.",
            "Dimension 0 is the batch.",
            edits=("class-dim",),
        ),
        Prescription(
            "Pass batch_first=True to LSTM, GRU and attention layers that are fed (batch, time, "
            "...).",
            "Without it they take the first dimension for time and run along the batch.",
            "your tensors really are (time, batch, ...)",
            edits=("batch-first",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
steps, channels, classes = 15, 6, 4
templates = torch.randn(classes, steps, channels)
labels = torch.randint(0, classes, (1600,))
signals = templates[labels] + 1.5 * torch.randn(1600, steps, channels)
train_x, train_y, val_x, val_y = signals[:1200], labels[:1200], signals[1200:], labels[1200:]


class Recogniser(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(channels, 32, batch_first=False)
        self.head = nn.Linear(32, classes)

    def forward(self, x):
        states, _ = self.rnn(x)
        return self.head(states[:, -1])


model = Recogniser()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(8):
    model.train()
    for rows in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = nn.functional.cross_entropy(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("batch_first=False", "batch_first=True"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for fact in run.all(Carried):
            if fact.looks >= self.batches and fact.carried >= self.often * fact.looks:
                yield self._carried(fact)
                return
        exam = run.exam("coupling")
        if exam is None or not self._rows_are_samples(run, exam) or self._meant(run, exam):
            return
        own, others, noise = (float(exam.values.get(k, 0.0)) for k in ("own", "others", "noise"))
        if others <= max(self.share, self.noise * noise):
            return
        samples = int(exam.values["samples"])
        recurrent = [m for m in run.modules if m.type in RECURRENT]
        suspect = recurrent[0] if recurrent else None
        yield self.finding(
            f"Another first sample in a batch of {samples} moves the predictions of the other "
            f"{samples - 1}, by up to {others:.2g} of the largest output.",
            Evidence(
                "coupling",
                f"in evaluation mode the other samples moved by {others:.2g}, the changed one by "
                f"{own:.2g}; repeating the same batch moves them by {noise:.2g}",
                where=suspect.name if suspect else "",
                steps=(exam.step, exam.step),
                value=others,
                limit=self.share,
            ),
            confidence=0.99,
            exact=True,
            where=suspect.name if suspect else "",
            source=suspect.source if suspect else "",
            first_step=0,
            prescriptions=self._time_first if exam.values.get("dim") else self.prescriptions,
        )

    def _carried(self, fact: Carried) -> Finding:
        return self.finding(
            f"{fact.site} begins each batch with the state that it ended the last one with, and "
            "the loader shuffles: each row starts with what belongs to another.",
            Evidence(
                "carried",
                f"in {fact.carried} of {fact.looks} batches that were looked at, to the last bit",
                where=fact.site,
                value=fact.carried / fact.looks,
                limit=self.often,
            ),
            severity="warning",
            confidence=0.95,
            exact=True,
            where=fact.site,
            source=fact.source,
            first_step=0,
            prescriptions=self._begin_fresh,
        )

    @staticmethod
    def _rows_are_samples(run: Run, exam: Exam) -> bool:
        """Whether dimension 0 of input and output provably counts samples, not time steps."""
        objective, samples = run.objective, exam.values.get("samples")
        if objective is None or not samples:
            return False
        output, target = objective.input_shape, objective.target_shape
        if output[:1] != (samples,) or target[:1] != (samples,):
            return False
        if len(output) == 3 or (len(output) == 2 and output[1] == samples):
            return False  # (time, batch, ...) looks the same; a square of similarities is meant
        if exam.values.get("dim"):  # (time, batch, features), if it is read step by step
            return any(m.type in RECURRENT for m in run.modules)
        shapes = [i.shape for i in run.inputs if i.shape[:1] == (samples,)]
        return all(len(s) == 4 or s[1:2] != (samples,) for s in shapes)

    @staticmethod
    def _meant(run: Run, exam: Exam) -> bool:
        """Whether rows are mixed on purpose: batch statistics kept in evaluation, or a graph."""
        if any(m.settings.get("track_running_stats") is False for m in run.modules):
            return True
        for wiring in wirings(run):
            for i, name in enumerate(wiring.names):
                if name.startswith(SPARSE):
                    return True
                mixing = name in MATMUL and wiring.is_layer(i) and not wiring.weight(i)
                if mixing and wiring.ops[i].shape[:1] == (exam.values["samples"],):
                    return True
        return False
