"""single-unit-softmax: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Graph, Objective
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM
from penlight.pitfalls._graph import SOFTMAX, Wiring, wirings


class SingleUnitSoftmax(Pitfall):
    """A softmax over one single unit always answers 1.

    An election with one candidate: whatever the voters think, she gets 100% of the vote, and
    nobody learns anything from counting.

    ## What happens
    Softmax divides each score by the sum of all scores. With one score that is e^z / e^z = 1 for
    every input and every weight. The output is a constant, its derivative is exactly zero, and
    no layer receives any gradient.

    ## Symptoms
    - The loss is the same number in every epoch.
    - All predictions are 1; accuracy equals the share of the positive class.
    - Every gradient is exactly 0.

    ## Causes
    - A binary classifier with one output and `Softmax` where `Sigmoid` was meant.
    - `CrossEntropyLoss` on an output of shape (N, 1): it contains the softmax.
    - A softmax left over at the end of a regression network.
    - Attention scores that were flattened to (N, 1) before a softmax over dimension 1.
    - Keras' categorical cross-entropy on one unit: it divides each output by the sum of all.

    ## When not to worry
    Attention over a single key, or one head of several that happens to have one option: the
    weight 1 is right there. Within a model only the scores of a layer are looked at, and only where
    that layer has never had any gradient.

    ## References
    - C. Bishop, Pattern Recognition and Machine Learning, section 4.2: sigmoid is the softmax of
      two classes.
    - J. Cao et al., DeepFD (ICSE 2022): among the Stack Overflow posts collected there and by
      others this is the most frequent fault.
    """

    family = "objective"
    needs = (Graph, Objective, GRAD_NORM)
    caused_by = ("output-units-mismatch",)
    looks_like = {
        "class-imbalance-collapse": (
            "With rare classes the scores differ between samples although the decisions do not."
        ),
        "gradient-cut": (
            "A cut chain leaves out the layers before the cut only, and the last layer does not "
            "end in a softmax of one unit."
        ),
        "output-units-mismatch": (
            "Too few or too many output units are seen from the classes in the labels; with a "
            "single unit it is the softmax that makes the answer constant."
        ),
    }
    looks: float = limit(
        4, why="times that a gradient of exactly 0 was seen: along the right dimension it is not"
    )
    _share_out = (
        Prescription(
            "Take the softmax over the dimension of the things that share the attention, before "
            "they are flattened: scores.view(batch, length).softmax(dim=1).",
            "The weights of one sample's steps then add up to 1, and depend on the scores.",
        ),
    )
    prescriptions = (
        Prescription(
            "For two classes: end the one unit in a sigmoid, with nn.BCELoss.",
            "Sigmoid is what softmax becomes when the second class has a fixed score of 0.",
            "there are more than two classes",
            edits=("output-activation",),
        ),
        Prescription(
            "For two classes: return the raw output of the one unit and use nn.BCEWithLogitsLoss.",
            "Sigmoid is what softmax becomes when the second class has a fixed score of 0.",
            "there are more than two classes",
            edits=("loss",),
        ),
        Prescription(
            "For C classes: nn.Linear(..., C), no softmax, nn.CrossEntropyLoss.",
            "Softmax needs one score for each class.",
            edits=("output-units",),
        ),
        Prescription(
            "For a real-valued target: remove the softmax and use nn.MSELoss.",
            "A regression output needs no activation.",
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
x = torch.randn(2000, 8)
y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).float().unsqueeze(1)
loader = DataLoader(TensorDataset(x[:1500], y[:1500]), batch_size=50, shuffle=True)
val_x, val_y = x[1500:], y[1500:]

model = nn.Sequential(
    nn.Linear(8, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 1),
    nn.Softmax(dim=1),
)
loss_fn = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(8):
    model.train()
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        p = model(val_x)
        accuracy = ((p > 0.5).float() == val_y).float().mean().item()
        print(f"epoch {epoch}: val loss {loss_fn(p, val_y).item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("nn.Softmax(dim=1)", "nn.Sigmoid()"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for objective in run.objectives:
            if objective.function == "cross_entropy" and objective.input_shape[1:2] == (1,):
                says = f"cross_entropy gets one score a sample, {_form(objective.input_shape)}"
                yield self._finding(run, "the softmax", says, objective.site, objective, 0)
                return
        for wiring in wirings(run):
            written = next((i for i in wiring.head if _over_one(wiring, i)), None)
            if written is not None:
                yield self._written_out(wiring, written)
                return
            for i in sorted(wiring.head):
                if self._alone(run, wiring, i) or self._own_sum(wiring, i):
                    shape = wiring.ops[i].shape
                    objective_ = run.objective or Objective(function="loss")
                    divided = wiring.names[i] == "Div"
                    what = "the division by the outputs' own sum" if divided else "the softmax"
                    says = f"{what} in front of the loss has the shape {_form(shape)}"
                    place = wiring.ops[i].module or objective_.site
                    yield self._finding(run, what, says, place, objective_, wiring.graph.step)
                    return
        yield from self._inner(run)

    def _written_out(self, wiring: Wiring, i: int) -> Finding:
        """A cross-entropy by hand, logsumexp(z) - z[y], over one unit: what is left is a slope."""
        scores = wiring.ops[wiring.ops[i].inputs[0]]
        place = wiring.place(wiring.ops[i].inputs[0])
        return self.finding(
            "The cross-entropy that is written out with logsumexp has a single unit to choose "
            "from: the logarithm undoes the exponential, and what is left is the score itself. It "
            "falls for ever for one class, and asks nothing of the other.",
            Evidence(
                "graph",
                f"logsumexp goes over one score a sample, {_form(scores.shape)}",
                where=place,
                steps=(wiring.graph.step, wiring.graph.step),
                value=1,
                limit=2,
            ),
            severity="critical",
            confidence=0.97,
            exact=True,
            where=place,
            first_step=wiring.graph.step,
        )

    def _inner(self, run: Run) -> Iterator[Finding]:
        """A softmax within the model over the single score of a layer, which learns nothing."""
        for wiring in wirings(run):
            for i, name in enumerate(wiring.names):
                shape = wiring.ops[i].shape
                maker = wiring.below(i) if name in SOFTMAX and i not in wiring.head else None
                # Scores of queries and keys are no layer's: attention over one key is meant.
                if maker is None or not wiring.is_layer(maker) or shape[-1:] != (1,):
                    continue
                looks = run.series(GRAD_NORM, wiring.weight(maker)).finite
                if math.prod(shape) < 2 or len(looks) < self.looks or bool(looks.values.any()):
                    continue
                yield self._idle(run, wiring, i, maker, len(looks))
                return

    def _idle(self, run: Run, wiring: Wiring, i: int, maker: int, looks: int) -> Finding:
        place = wiring.place(maker)
        module = run.module(place)
        return self.finding(
            f"The softmax over the scores of {place} has one score to choose from each time: every "
            "weight that it gives is 1, and the layers that make the scores learn nothing.",
            Evidence(
                "graph",
                f"the softmax works on {_form(wiring.ops[i].shape)}, along the last dimension",
                where=place,
                steps=(wiring.graph.step, wiring.graph.step),
                value=1,
                limit=2,
            ),
            Evidence(
                "grad_norm",
                f"the gradient of {wiring.weight(maker)} was exactly 0 in all {looks} looks",
                value=0.0,
            ),
            confidence=0.97,
            exact=True,
            where=place,
            source=module.source if module is not None else "",
            first_step=wiring.graph.step,
            prescriptions=self._share_out,
        )

    @staticmethod
    def _alone(run: Run, wiring: Wiring, i: int) -> bool:
        """Whether node i is a softmax over the one unit of a (N, 1) output."""
        shape = wiring.ops[i].shape
        if wiring.names[i] not in SOFTMAX | {"LogSoftmax"} or not wiring.is_bottleneck(i):
            return False
        if len(shape) != 2 or shape[1] != 1 or shape[0] < 2:
            return False
        module = run.module(wiring.ops[i].module)
        if module is not None and module.settings.get("dim") == 0:
            return False
        # A softmax over the batch would give values below 1; a look at the values settles it.
        seen = [o.input_min for o in run.objectives if o.input_op in SOFTMAX]
        return all(low is None or low > 1 - 1e-6 for low in seen)

    @staticmethod
    def _own_sum(wiring: Wiring, i: int) -> bool:
        """Whether node i divides a (N, 1) output by its sum over that one unit.

        So do Keras' categorical cross-entropy and its copies by hand to make shares of outputs.
        """
        shape = wiring.ops[i].shape
        if wiring.names[i] != "Div" or len(wiring.ops[i].inputs) != 2 or len(shape) != 2:
            return False
        above, below = wiring.ops[i].inputs
        return (
            shape[0] >= 2
            and shape[1] == 1
            and wiring.names[below] == "Sum"
            and wiring.ops[below].inputs == (above,)
            and wiring.ops[below].shape == wiring.ops[above].shape == shape
            and wiring.is_bottleneck(i)
        )

    def _finding(
        self, run: Run, what: str, shape: str, place: str, objective: Objective, step: int
    ) -> Finding:
        evidence = [Evidence("graph", shape, where=place, steps=(step, step), value=1, limit=2)]
        steps, zeroed = run.hygiene.steps, run.hygiene.zeroed_steps
        if zeroed:
            evidence.append(
                Evidence(
                    "hygiene",
                    f"every gradient was exactly 0 in {zeroed} of {steps} optimiser steps",
                    steps=(0, max(0, steps - 1)),
                    value=zeroed,
                    limit=0,
                )
            )
        # Beside other training losses a head with one option is idle, not a broken model.
        alone = len(run.objectives) < 2
        return self.finding(
            f"{what[0].upper()}{what[1:]} before the loss has a single unit to choose from, so its "
            "output is 1 for every input and no layer gets any gradient.",
            *evidence,
            severity="critical" if alone else "note",
            confidence=0.99,
            exact=True,
            where=place,
            source=objective.source,
            first_step=step,
        )


def _over_one(wiring: Wiring, i: int) -> bool:
    """Whether node i is a log-sum-exp over one score a sample that the loss uses beside it, too."""
    op = wiring.ops[i]
    if op.name != "Logsumexp" or len(op.shape) != 1 or op.shape[0] < 2 or not op.inputs:
        return False
    scores = op.inputs[0]
    return wiring.ops[scores].shape == (*op.shape, 1) and len(wiring.users[scores]) > 1


def _form(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
