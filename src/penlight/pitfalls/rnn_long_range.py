"""rnn-long-range: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from penlight.core.facts import Exam
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import fails

FADED = 1e-35  # float32 has nothing between some 1e-45 and 0: what fades beyond is rounded to it


class RnnLongRange(Pitfall):
    """The recurrent layer has forgotten the start of a sequence at its end.

    Chinese whispers: each listener passes on half of what he heard, and the thirtieth has no idea
    what the first one said.

    ## What happens
    The signal goes through one gate for each time step. When a step passes on a share g of it,
    T steps pass on g**T. An LSTM as torch makes it has forget gates near 0.5 and half of its
    memory is gone every one or two steps; a GRU or a tanh RNN is not much better. Behind thirty
    steps the gradient at the first token is a millionth, and what it says is never learnt.

    ## Symptoms
    - Short patterns are learnt, long ones stay at chance.
    - Cutting the sequences to their last few steps changes nothing.

    ## Causes
    - Forget-gate biases at their default, small recurrent weights.
    - Sequences of hundreds of steps fed step by step; padding behind the text, so that the last
      state comes long after the last word.

    ## When not to worry
    When the last few steps hold the answer. A model that pools or attends over all steps, or
    answers at each, does not depend on one long chain.

    ## References
    - R. Jozefowicz et al., An Empirical Exploration of Recurrent Network Architectures, ICML 2015:
      a forget bias of 1.
    - R. Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013.
    """

    family = "signal propagation"
    needs = (Exam, LOSS, OBJECTIVE_LOSS)
    caused_by = (
        "nonfinite-loss",
        "lr-too-high",
        "exploding-gradient",
        "missing-zero-grad",
        "params-not-optimised",
        "gradient-cut",
        "misaligned-labels",
    )
    looks_like = {
        "vanishing-gradient": (
            "Light that fades from layer to layer fades at every time step alike."
        ),
    }
    dark: float = limit(
        1e-3,
        why="gradient at the first tenth of the steps against the largest: 0.5 ** 10, as for "
        "layers. Remembering the first of 30: 1e-8 ended at chance, 1.4 at 1.00 (catalogue)",
    )
    told: float = limit(
        6.0,
        why="correlation x sqrt(samples) of the early steps with the targets; the largest of the "
        "thousands that are compared stays under 5 by chance",
    )
    bend: float = limit(
        0.5,
        why="share of the whole fall, in decades, that a single time step may take: a state that "
        "is cut or reset takes all of it at one place",
    )
    prescriptions = (
        Prescription(
            "Start an LSTM with open forget gates: set the second quarter of `bias_ih_l0` to 1 to "
            "3, `nn.init.constant_(lstm.bias_ih_l0[hidden:2 * hidden], 3.0)`.",
            "A gate at sigmoid(3) = 0.95 passes a signal over dozens of steps.",
            "the last few steps hold the answer",
            edits=("open-gates",),
        ),
        Prescription(
            "Build a GRU or an LSTM instead of a plain RNN.",
            "Their gates can leave a state as it is; a plain cell squashes it at every step.",
            "it is a gated cell already",
            edits=("swap-recurrent",),
        ),
        Prescription(
            "Give the head all steps: the mean or the maximum over time, or attention.",
            "Then no step is further away than any other.",
        ),
        Prescription(
            "Put padding in front, or pack the sequences, so that the last state is that of the "
            "last word.",
            "Each padded step forgets as much as a real one.",
            "there is none",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
symbols, length, hidden = 8, 30, 48


class Recall(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(symbols, 16)
        self.lstm = nn.LSTM(16, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 2)

    def forward(self, tokens):
        states, _ = self.lstm(self.embed(tokens))
        return self.head(states[:, -1])


x = torch.randint(0, symbols, (1500, length))
y = x[:, 0] % 2
train_x, train_y, val_x, val_y = x[:1200], y[:1200], x[1200:], y[1200:]
model = Recall()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(7):
    model.train()
    for rows in torch.randperm(1200).split(40):
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
                "        self.head = nn.Linear(hidden, 2)\n",
                (
                    "        nn.init.constant_(self.lstm.bias_ih_l0[hidden : 2 * hidden], 3.0)\n"
                    "        self.head = nn.Linear(hidden, 2)\n"
                ),
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam, outcome = run.exam("memory"), fails(run)
        if exam is None or not outcome or exam.values.get("bidirectional"):
            return
        before, after = (_series(exam.values, key) for key in ("start", "end"))
        if before is None or after is None:
            return
        tenth = max(1, len(after) // 10)
        left = max(float(np.max(before[:tenth])), float(np.max(after[:tenth])))
        if left >= self.dark or not self._by_degrees(before):
            return
        told = exam.values.get("told")
        known = isinstance(told, (int, float)) and told >= self.told
        kind, name = str(exam.values.get("type", "RNN")), str(exam.values.get("module", ""))
        half = half_life(before)
        evidence = [
            Evidence(
                "memory",
                f"of the gradient at the step that counts most, {left:.1e} is left at the first "
                f"{tenth} of {len(before)} time steps",
                where=name,
                value=left,
                limit=self.dark,
            )
        ]
        if known:
            evidence.append(
                Evidence(
                    "memory",
                    f"the first {tenth} steps go with the targets: a correlation of {told:.0f} "
                    "standard errors",
                    where=name,
                    value=float(told or 0.0),
                    limit=self.told,
                )
            )
        module = run.module(name)
        yield self.finding(
            f"{kind} {name} forgets half of what it knows every {half:.1f} steps: {left:.0e} of "
            f"the signal connects the output with the first of {len(before)} steps"
            + (", and those hold what it is asked for." if known else "."),
            *evidence,
            # Whether a task needs the early steps is known only where they go with the targets.
            severity=("critical" if outcome == "ruined" else "warning") if known else "note",
            confidence=0.92 if known else 0.5,
            where=name,
            source=module.source if module is not None else "",
            first_step=0,
        )

    def _by_degrees(self, light: np.ndarray) -> bool:
        """Whether the light fades step by step instead of all at once, and is never cut to 0."""
        path = _path(light)
        if len(path) < 3 or (path <= 0).any():
            return False
        falls = np.diff(np.log10(path))
        whole = math.log10(1.0 / float(path.min()))
        return whole > 0 and float(falls.max()) < self.bend * whole


def _path(light: np.ndarray) -> np.ndarray:
    """From the first step to the brightest, without the steps that float32 has rounded to 0."""
    path = light[: int(light.argmax()) + 1]
    lit = np.flatnonzero(path > 0)
    faded = len(lit) > 0 and path[lit[0]] < FADED
    return path[lit[0] :] if faded else path


def half_life(light: np.ndarray) -> float:
    """Time steps in which half of the gradient is lost on its way back from the largest."""
    path = np.log(np.maximum(_path(light), 1e-300))
    if len(path) < 2:
        return math.inf
    slope = float(np.polyfit(np.arange(len(path)), path, 1)[0])
    return math.log(2) / slope if slope > 0 else math.inf


def _series(values: dict[str, Any], key: str) -> np.ndarray | None:
    found = values.get(key)
    if not isinstance(found, (list, tuple)) or len(found) < 8:
        return None
    light = np.array([float(x) for x in found])
    return light if np.isfinite(light).all() else None
