"""ill-conditioned-op: see the card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penlight.core.facts import Graph, NonFinite
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, WEIGHT_NORM
from penlight.pitfalls._graph import SHAPE, Wiring, wirings

# What may stand between the parts of a formula: shapes, and the small constants of attempts at it.
BETWEEN = SHAPE | {"Clamp", "ClampMin", "ClampMax", "Add"}
SQUARES = ("Pow", "Mul", "Square")


@dataclass(frozen=True, slots=True)
class Formula:
    """A way of writing that loses digits, and the one that does not."""

    text: str
    better: str
    births: tuple[str, ...]  # operations at which it leaves the numbers


LOG_SOFTMAX = Formula("log(softmax(x))", "torch.log_softmax(x, dim)", ("Log",))
LOG_SIGMOID = Formula("log(sigmoid(x))", "binary_cross_entropy_with_logits", ("Log",))
LOG_REST = Formula("log(1 - sigmoid(x))", "binary_cross_entropy_with_logits", ("Log",))
SUM_EXP = Formula("log(sum(exp(x)))", "torch.logsumexp(x, dim)", ("Exp", "Log"))
SOFTPLUS = Formula("log(1 + exp(x))", "torch.nn.functional.softplus(x)", ("Exp", "Log"))
SOFTMAX = Formula("exp(x) / sum(exp(x))", "torch.softmax(x, dim)", ("Exp", "Div"))
VARIANCE = Formula("mean(x^2) - mean(x)^2", "x.var(dim)", ("Sqrt", "Rsqrt", "Log", "Div", "Pow"))


class IllConditionedOp(Pitfall):
    """A formula is written in a way that loses its digits.

    Weighing the captain by weighing the ship with and without him: both numbers are right to the
    ton, and the difference says nothing about the captain.

    ## What happens
    float32 has seven digits. `1 - p` with p near 1 keeps few of them, and none once p has been
    rounded to 1; `exp(x)` overflows at 89; a variance as the mean of squares less the square of
    the mean is the small difference of two large numbers and may come out negative. The next
    logarithm, root or division makes an infinity of it. Each of these has a form that says the
    same and stays within the numbers.

    ## Symptoms
    - A NaN out of the blue, on confident predictions, with weights and data that are fine.
    - The loss stops at a floor of its own, such as -log(1e-7) = 16.1.

    ## Causes
    - Cross-entropy by hand: `-(y * p.log() + (1 - y) * (1 - p).log())`, `softmax(x).log()`.
    - Softmax by hand without subtracting the maximum.
    - A normalisation layer by hand with `E[x^2] - E[x]^2`.

    ## When not to worry
    As long as the predictions stay moderate such a formula is as good as the other: without a NaN
    it is told as a note. A small constant inside of the logarithm keeps it finite and costs the
    gradient of the worst predictions.

    ## References
    - D. Goldberg, What every computer scientist should know about floating-point arithmetic, 1991:
      cancellation.
    - torch documentation of `torch.nn.BCEWithLogitsLoss`: numerically more stable.
    """

    family = "numerics"
    needs = (Graph, NonFinite, LOSS, WEIGHT_NORM)
    caused_by = (
        "nonfinite-or-corrupt-data",
        "lr-too-high",
        "exploding-gradient",
        "input-scale",
        "output-activation-mismatch",
    )
    looks_like = {
        "nonfinite-or-corrupt-data": "NaN in the data is there before the first layer.",
        "lr-too-high": "Too high a rate drives the loss or the weights up before they overflow.",
    }
    growth: float = limit(
        1e3,
        why="factor by which loss or weights had grown before: then they overflowed, whatever the "
        "formula; the limit of nonfinite-loss",
    )
    prescriptions = (
        Prescription(
            "Use the fused form: F.cross_entropy or log_softmax, binary_cross_entropy_with_logits, "
            "torch.logsumexp, F.softplus, x.var().",
            "It computes the same without leaving the range of float32.",
        ),
        Prescription(
            "Or keep the argument away from the edge: (1 - p + 1e-8).log().",
            "The logarithm then stays finite.",
            "the fused form fits: it also keeps the gradient of the worst predictions",
            edits=("keep-finite",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.randn(2000, 6)
y = (x[:, :2].sum(1) > 0).float()
train_x, train_y, val_x, val_y = x[:1500], y[:1500], x[1500:], y[1500:]

model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)


def loss_fn(logits, target):
    p = logits.sigmoid()
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


for epoch in range(25):
    model.train()
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = ((model(val_x) > 0) == (val_y > 0.5)).float().mean().item()
    print(f"epoch {epoch:2d}: loss {loss.item():.4f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                (
                    "    p = logits.sigmoid()\n"
                    "    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()"
                ),
                "    return nn.functional.binary_cross_entropy_with_logits(logits, target)",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        own = any(m.type.endswith("Normalization") for m in run.modules)  # so Keras computes it
        hits = (hit for wiring in wirings(run) for hit in formulas(wiring))
        found = next((hit for hit in hits if not (own and hit[0] is VARIANCE)), None)
        if found is None:
            return
        formula, where = found
        birth = next(iter(run.all(NonFinite)), None)
        seen = Evidence("graph", f"the graph of the loss holds {formula.text}", where=where)
        if birth is None or not self._broke(run, birth, formula):
            yield self.finding(
                f"The loss is computed with {formula.text}, which leaves the numbers where "
                f"{formula.better} does not.",
                seen,
                severity="note",
                confidence=0.7,
                where=where,
                first_step=0,
            )
            return
        yield self.finding(
            f"{formula.text} left the numbers at step {birth.step}: {formula.better} says the same "
            "and stays finite.",
            seen,
            Evidence(
                "nonfinite",
                f"the first NaN or infinity came out of {birth.op}: {birth.reason}",
                where=birth.module,
                steps=(birth.step, birth.step),
            ),
            confidence=0.9,
            exact=True,
            where=where,
            source=birth.source,
            first_step=birth.step,
        )

    def _broke(self, run: Run, birth: NonFinite, formula: Formula) -> bool:
        """Whether the NaN was born in the formula and not in numbers that had run away."""
        if birth.direction not in ("forward", "backward") or birth.op not in formula.births:
            return False
        for series in (*run.every(LOSS), *run.every(WEIGHT_NORM)):
            finite = np.abs(series.finite.values)
            if len(finite) > 1 and finite[0] > 0 and finite[-3:].max() > self.growth * finite[0]:
                return False
        return True


def formulas(wiring: Wiring) -> Iterator[tuple[Formula, str]]:
    """Formulas of a graph that have a better form, and the layer that feeds them."""
    for i, name in enumerate(wiring.names):
        if name == "Log":
            yield from _logarithm(wiring, i)
        elif name == "Div":
            data = wiring.data(i)
            exps = [j for j in data if wiring.names[j] == "Exp" and _raw(wiring, j)]
            if exps and any(_find(wiring, j, "Sum") is not None for j in data):
                yield SOFTMAX, _place(wiring, exps[0])
        elif name == "Sub" and _is_variance(wiring, i):
            yield VARIANCE, _place(wiring, i)


def _logarithm(wiring: Wiring, i: int) -> Iterator[tuple[Formula, str]]:
    j = wiring.below(i, BETWEEN)
    if j is None:
        return
    name, k = wiring.names[j], wiring.below(j)
    fed = wiring.names[k] if k is not None else ""
    if name == "Softmax":
        yield LOG_SOFTMAX, _place(wiring, j)
    elif name == "Sigmoid":
        yield LOG_SIGMOID, _place(wiring, j)
    elif name == "Rsub" and fed == "Sigmoid":
        yield LOG_REST, _place(wiring, j)
    elif name == "Sum" and fed == "Exp" and k is not None and _raw(wiring, k):
        yield SUM_EXP, _place(wiring, k)
    elif name == "Exp" and _raw(wiring, j):
        yield SOFTPLUS, _place(wiring, j)


def _is_variance(wiring: Wiring, i: int) -> bool:
    """Whether a difference is the mean of squares less the square of the mean, of one tensor."""
    data = wiring.data(i)
    if len(data) != 2 or wiring.names[data[1]] not in SQUARES:
        return False
    mean_of_squares, square_of_mean = _find(wiring, data[0], "Mean"), data[1]
    if mean_of_squares is None:
        return False
    squares = (j for j in wiring.data(mean_of_squares) if wiring.names[j] in SQUARES)
    means = (j for j in wiring.data(square_of_mean) if wiring.names[j] == "Mean")
    squared = {k for j in squares for k in wiring.data(j)}
    return bool(squared & {k for j in means for k in wiring.data(j)})


def _find(wiring: Wiring, i: int, name: str) -> int | None:
    """A node of that name from this one on downwards, through shapes alone."""
    if wiring.names[i] == name:
        return i
    j = wiring.below(i) if wiring.names[i] in SHAPE else None
    return j if j is not None and wiring.names[j] == name else None


def _raw(wiring: Wiring, i: int) -> bool:
    """Whether an exponential is fed values from which no maximum was subtracted."""
    j = wiring.below(i)
    return j is None or wiring.names[j] not in ("Sub", "Neg", "LogSoftmax", "Mul", "Div")


def _place(wiring: Wiring, i: int) -> str:
    """The layer that feeds a node, if one value after the other leads there."""
    while not wiring.is_layer(i):
        j = wiring.below(i)
        if j is None:
            return ""
        i = j
    return wiring.place(i)
