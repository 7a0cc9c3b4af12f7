"""causal-leak: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Exam, Graph, Hygiene, Module
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS
from penlight.pitfalls._curves import progress
from penlight.pitfalls._graph import attends


class CausalLeak(Pitfall):
    """A model that predicts the next token can look at it.

    Reading a detective novel from the last page: every guess about the murderer is right, and the
    reader has learnt nothing about solving cases.

    ## What happens
    Each position is trained to name the token that follows. If the output at a position depends
    on later inputs, the answer is among them, and copying it is far easier than predicting. In
    generation there are no later tokens, and the model has nothing to copy from. The same happens
    without any leak where the targets are not shifted: then the answer is the token just read.

    ## Symptoms
    - A loss far below what the data allows, often close to zero, in training and in validation.
    - Generated text is nonsense.
    - The loss of the last position alone is much worse than that of the others.

    ## Causes
    - No causal mask, a mask that is off by one, transposed or inverted, or one that lets holes.
    - A mask that is thrown away: `scores.masked_fill(...)` alone changes nothing.
    - A bidirectional LSTM, or a convolution padded on both sides.
    - Normalisation or pooling over the time dimension.
    - Targets that are the inputs themselves: `loss(model(x), x)` without a shift by one.

    ## When not to worry
    Encoders, taggers and masked language models look both ways on purpose: only models whose
    targets are their own inputs shifted by one are tested. An autoencoder gives back its input on
    purpose, too, and looks at all of it for that: only models that see no later token are told.
    With a prefix that may be seen whole, the leak inside the prefix is meant if its positions are
    left out of the loss.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks (2019): use backprop to chart dependencies.
    - A. Vaswani et al., Attention Is All You Need (2017), section 3.2.3.
    """

    family = "architecture"
    needs = (Exam, Hygiene, Module, Graph, LOSS)
    looks_like = {
        "shortcut-feature": "A shortcut lies in the data: one column of a row tells its answer.",
        "cross-sample-leak": (
            "A causal leak stays within one sequence: a later token moves an earlier output."
        ),
        "train-val-leakage": "A leak between the sets shows as equal rows in both.",
    }
    share: float = limit(
        1e-5,
        why="float32 rounding moves an output by some 1e-7 of its scale; a causal model's earlier "
        "outputs moved by exactly 0 in every experiment, an off-by-one mask moved them by 0.1",
    )
    following: float = limit(
        0.9, why="share of targets that are the next token: 1 for a language model, shifted by one"
    )
    copied: float = limit(
        0.99,
        why="share of targets that are the token at their own place; masked language models that "
        "are asked for every token have 0.85, next tokens of digits' codes 0.2",
    )
    direct: float = limit(
        4.0,
        why="by how much more a token moves the output at its own place than others, in a model "
        "before training: 1 where all goes through one code, 10 in a transformer of two layers",
    )
    known: float = limit(
        0.95, why="of what there is to learn: who can copy has learnt all of it in a few steps"
    )
    _shift = (
        Prescription(
            "Shift the targets by one: `loss(logits[:, :-1], tokens[:, 1:])`, with the class "
            "dimension where the loss expects it.",
            "The answer to each token is then the one that follows.",
            "the model shifts them itself, as those of transformers do when they get `labels`",
            edits=("shift-targets",),
        ),
    )
    prescriptions = (
        Prescription(
            "Use F.scaled_dot_product_attention(q, k, v, is_causal=True), or mask the scores with "
            "torch.triu(torch.ones(T, T, dtype=torch.bool), diagonal=1) before the softmax.",
            "Position t may then see positions up to t and no further.",
            edits=("causal-mask",),
        ),
        Prescription(
            "Pad convolutions on the left only: F.pad(x, (kernel_size - 1, 0)).",
            "Symmetric padding shows every position what comes next.",
        ),
        Prescription(
            "Use a one-directional LSTM or GRU for next-token prediction.",
            "The backward direction arrives from the future.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
vocab, length, width = 12, 16, 32
habits = F.softmax(2.5 * torch.randn(vocab, vocab), dim=1)


def sentences(count):
    tokens = [torch.randint(0, vocab, (count, 1))]
    for _ in range(length):
        tokens.append(torch.multinomial(habits[tokens[-1][:, 0]], 1))
    return torch.cat(tokens, dim=1)


class TinyGPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(vocab, width)
        self.position = nn.Embedding(length, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.head = nn.Linear(width, vocab)

    def forward(self, ids):
        x = self.token(ids) + self.position(torch.arange(ids.shape[1]))
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=False)
        x = x + self.mlp(self.norm2(x))
        return self.head(x)


train, val = sentences(2000), sentences(500)
model = TinyGPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

for epoch in range(8):
    model.train()
    for rows in torch.randperm(2000).split(50):
        ids, following = train[rows, :-1], train[rows, 1:]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids).reshape(-1, vocab), following.reshape(-1))
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():  # generation: what follows is not there yet
        scores = torch.stack([model(val[:, :t])[:, -1] for t in range(1, length + 1)], dim=1)
        val_loss = F.cross_entropy(scores.reshape(-1, vocab), val[:, 1:].reshape(-1)).item()
    print(f"epoch {epoch}: train loss {loss.item():.3f}, loss in generation {val_loss:.3f}")

print("RESULT " + json.dumps({"metric": "loss in generation", "value": val_loss}))
""",
        cure=(("is_causal=False", "is_causal=True"),),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam = run.exam("causality")
        if exam is None or not self._repeatable(run):
            return
        earlier = float(exam.values.get("earlier", 0.0))
        own = exam.values.get("own")  # none where the last token has no output
        if float(exam.values.get("following", 1.0)) < self.following:
            yield from self._copies(run, exam, earlier, own)
            return
        if earlier <= self.share:
            return
        length = int(exam.values.get("length", 0))
        yield self.finding(
            f"Changing the last of {length} tokens changes the predictions before it, by up to "
            f"{earlier:.2g} of the largest output: the model sees what it has to predict.",
            Evidence(
                "causality",
                f"outputs at earlier positions moved by {earlier:.2g}"
                + (f", the last one by {own:.2g}" if own is not None else "")
                + "; a causal model gives 0",
                steps=(exam.step, exam.step),
                value=earlier,
                limit=self.share,
            ),
            confidence=0.99,
            exact=True,
            first_step=0,
        )

    def _copies(self, run: Run, exam: Exam, earlier: float, own: float | None) -> Iterator[Finding]:
        """Each target is what the model is shown at the same place.

        A model without any view of the future is asked for what it was just shown. One that looks
        both ways has a copy for the asking, unless all goes through a code, as in an autoencoder:
        then each token moves all outputs alike, from the first weights on.
        """
        copied = float(exam.values.get("copied", 0.0))
        if copied < self.copied or own is None or own <= self.share:
            return
        both = earlier > self.share
        if both and not (own >= self.direct * earlier and attends(run) and self._learnt(run)):
            return
        yield self.finding(
            "The target of each token is that token itself, which the model is shown: it learns to "
            "copy its input, not to predict what follows.",
            Evidence(
                "causality",
                f"{copied:.1%} of the targets are the input at the same place",
                steps=(exam.step, exam.step),
                value=copied,
                limit=self.copied,
            ),
            Evidence(
                "causality",
                f"before any training the last token moved the last output by {own:.2g} of the "
                + (
                    f"largest, those before it by {earlier:.2g}: each token has a way of its own "
                    "to its output"
                    if both
                    else "largest, and none before it: the model is one that reads from left to "
                    "right"
                ),
                value=earlier,
                limit=self.share,
            ),
            confidence=0.93 if both else 0.97,
            exact=not both,
            first_step=0,
            prescriptions=(*self._shift, *self.prescriptions[:1]) if both else self._shift,
        )

    def _learnt(self, run: Run) -> bool:
        """Whether the run has learnt nearly all there is."""
        seen = progress(run)
        return seen is not None and seen.learnt is not None and seen.learnt >= self.known

    def _repeatable(self, run: Run) -> bool:
        """Whether two identical passes in evaluation mode give the same: else nothing is proven."""
        coupling = run.exam("coupling")
        if coupling is not None:
            return float(coupling.values.get("noise", 0.0)) <= self.share / 10
        return not run.hygiene.eval_functional_dropout
