"""positional-information-missing: see the card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penlight.core.facts import Exam, Graph, Module
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS
from penlight.pitfalls._curves import FINE, progress
from penlight.pitfalls._graph import attends


class PositionalInformationMissing(Pitfall):
    """Attention is not told in which order the tokens come.

    A letter cut into single words and shaken in a bag: who reads it finds every word, and cannot
    tell whether the dog bit the man or the man the dog.

    ## What happens
    Attention compares each token with each other one and adds up what it finds. Nothing in that
    knows places: deal the tokens anew and each gets the same answer as before. What the order
    means has to be told beside the token, by an encoding of its place. Where that is missing, the
    model sees a bag of words.

    ## Symptoms
    - A transformer that does no better than a count of words, or stays at chance where only the
      order tells.
    - The same output for a sentence and for its words in another order.

    ## Causes
    - No positional encoding at all, or one that is built and never added.
    - One that counts along the batch: `torch.arange(x.size(0))` where `x.size(1)` was meant.
    - One that is overwritten, or multiplied by zero.

    ## When not to worry
    Sets have no order: points of a cloud, neighbours in a graph, a basket of goods. Topics of texts
    are often known from a bag of words. A causal mask tells the order by itself, if slowly.
    Penlight only speaks up where attention is used, little is learnt, and the order means
    something: tokens are embedded, neighbours are alike, or errors depend on the place.

    ## References
    - A. Vaswani et al., Attention Is All You Need (2017), section 3.5.
    - M. Zaheer et al., Deep Sets (2017): functions that do not see an order.
    """

    family = "architecture"
    needs = (Exam, Module, Graph, LOSS)
    looks_like = {
        "underfitting-capacity": "A model that is too small learns some, and more when wider.",
        "no-information-from-input": (
            "Where no information arrives another row's tokens change nothing; here they do, and "
            "only their order does not."
        ),
    }
    same: float = limit(
        1e-4,
        why="of the largest output: sums in another order round by some 1e-6, an encoding of "
        "places moves an output by 0.01 and more (the demo's cure: 0.5)",
    )
    read: float = limit(
        0.01,
        why="of the largest output: a model that answers to other tokens as little as to their "
        "order reads none of them",
    )
    ordered: float = limit(
        0.7,
        why="mean square step between neighbouring vectors: 1 for a set, give or take one over the "
        "root of all steps looked at; a series sampled often enough is far below",
    )
    placed: float = limit(
        0.1,
        why="of the error that the place alone explains: where it means nothing 1 / rows, 0.4% in "
        "288; the published program with one encoding for all places has 0.44",
    )
    plain: float = limit(
        10.0,
        why="F of that share, over hundreds of degrees of freedom: 2 is one chance in millions, "
        "but the errors of neighbours belong together",
    )
    turned: float = limit(
        1e-3,
        why="of the largest output: where no row knows of the others its place in the batch "
        "changes nothing, but for rounding (1e-6); an encoding of it moved an output by 0.5",
    )
    _turn = (
        Prescription(
            "Count along the row: self.pe[:x.size(1)].transpose(0, 1) for a pe of shape "
            "(longest, 1, width) and x of (N, T, width).",
            "pe[:x.size(0)] is made for (T, N, width): it numbers the rows of a batch-first x.",
            edits=("add-positions",),
        ),
    )
    prescriptions = (
        Prescription(
            "Add an encoding of places to the tokens: x = token(ids) + place(torch.arange(T)), "
            "with place = nn.Embedding(longest, width).",
            "Two equal tokens at two places are then told apart.",
            "the data are sets: then little else can be learnt from them, or the rate is off",
            edits=("add-positions",),
        ),
        Prescription(
            "Look at the shape of the encoding: (1, T, width) for (N, T, width).",
            "Built along the batch it is the same for all tokens of a row.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
words, length, width = 20, 12, 32


def sentences(count):  # does word 0 come before word 1?
    ids = torch.randint(2, words, (count, length))
    places = torch.rand(count, length).argsort(1)[:, :2]
    ids[torch.arange(count), places[:, 0]] = 0
    ids[torch.arange(count), places[:, 1]] = 1
    return ids, (places[:, 0] < places[:, 1]).long()


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(words, width)
        self.place = nn.Embedding(length, width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, ids):
        places = torch.zeros_like(ids[0])
        x = self.token(ids) + self.place(places)
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        return self.head(x.mean(1))


train_x, train_y = sentences(2000)
val_x, val_y = sentences(500)
model = Reader()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(12):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        criterion(model(train_x[rows]), train_y[rows]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        output = model(val_x)
        accuracy = (output.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("torch.zeros_like(ids[0])", "torch.arange(length)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        """Fires when tokens in another order change no output, in a run that learns little."""
        exam, seen = run.exam("order"), progress(run)
        if exam is None or seen is None:
            return
        apart, other = float(exam.values["apart"]), float(exam.values["other"])
        if apart > self.same or other < self.read or not attends(run) or self._deaf(run):
            return
        if self._by_row(run, exam):
            yield self._along_the_batch(run, exam)
            return
        if seen.learnt is None or seen.learnt >= FINE:
            return
        tokens = next((m for m in run.modules if m.type == "Embedding"), Module())
        what = "tokens"
        told: list[Evidence] = []
        if "smooth" in exam.values:  # rows of vectors
            tokens, what = Module(), "steps"
            told = list(self._order_tells(exam.values))
            if not told:
                return
        yield self.finding(
            f"The order of the {what} makes no difference to the model: dealt anew within their "
            f"rows they change no output, and {max(seen.learnt, 0):.0%} of what there is to learn "
            "is learnt.",
            Evidence(
                "order",
                f"with the {exam.values['length'] - 2} inner {what} of each row in another order "
                f"the outputs moved by {apart:.1g} of the largest, with another row's {what} by "
                f"{other:.2g}",
                value=apart,
                limit=self.same,
            ),
            *told,
            severity="warning",
            confidence=0.9,
            where=tokens.name,
            source=tokens.source,
            first_step=0,
        )

    def _deaf(self, run: Run) -> bool:
        """Whether a sample's answer depends on nothing of it, in whichever order."""
        coupling = run.exam("coupling")
        return coupling is not None and float(coupling.values.get("own", 1.0)) <= self.same

    def _by_row(self, run: Run, exam: Exam) -> bool:
        """Whether an answer depends on the row's place among rows that know nothing of each other.

        Where time comes first, rows are steps, and each does know of the others.
        """
        coupling = run.exam("coupling")
        v = coupling.values if coupling is not None else {}
        apart = not v.get("dim", 1) and max(float(v["others"]), float(v["noise"])) <= self.same
        return apart and float(exam.values.get("turned", 0.0)) > self.turned

    def _along_the_batch(self, run: Run, exam: Exam) -> Finding:
        """The encoding of places counts the rows of a batch."""
        length, apart, turned = (exam.values[k] for k in ("length", "apart", "turned"))
        tokens = next((m for m in run.modules if m.type == "Embedding"), Module())
        return self.finding(
            "Places are counted along the batch, not along the row: the same row gets another "
            "answer at another place in the batch, and the order of its tokens means nothing.",
            Evidence(
                "order",
                f"with the {length - 2} inner tokens of each row in another order the outputs "
                f"moved by {apart:.1g} of the largest",
                value=apart,
                limit=self.same,
            ),
            Evidence(
                "order",
                f"with the rows of the batch in the opposite order each row's output moved by "
                f"{turned:.2g}, though no row's values move another's",
                value=turned,
                limit=self.turned,
            ),
            confidence=0.98,
            exact=True,
            where=tokens.name,
            source=tokens.source,
            first_step=0,
            prescriptions=self._turn,
        )

    def _order_tells(self, values: dict[str, Any]) -> Iterator[Evidence]:
        """Signs that vectors are a sequence, and no set."""
        placed, smooth = float(values.get("placed", 0.0)), float(values["smooth"])
        if placed > self.placed and float(values["placed_f"]) > self.plain:
            yield Evidence(
                "order",
                f"{placed:.0%} of what the answers miss depends on the place in the row alone",
                value=placed,
                limit=self.placed,
            )
        elif "placed" not in values and smooth < self.ordered:
            yield Evidence(
                "order",
                f"the square step between neighbours is {smooth:.2g} of that between any two steps "
                "of a row",
                value=smooth,
                limit=self.ordered,
            )
