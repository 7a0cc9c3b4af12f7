"""padding-in-loss: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Objective, Padding
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class PaddingInLoss(Pitfall):
    """The filling at the end of short sequences counts as something to be learnt.

    Grading the blank pages of an exam booklet: whoever leaves them blank has most answers right,
    and the mark says little about the pages that were written on.

    ## What happens
    Sequences of unequal length are filled up with one constant so that they fit into a tensor. If
    the loss takes these places in, a good part of it is about saying "padding" after "padding",
    which is learnt at once. The mean looks splendid early, the gradient of the real places is
    divided by all places, and the reported loss and accuracy speak of blank pages.

    ## Symptoms
    - The loss falls fast at the start and the outputs on real tokens are poor.
    - Accuracy is about the share of the padding from the first epoch on.
    - The loss changes when the same data are batched in another way.

    ## Causes
    - `CrossEntropyLoss` without `ignore_index` for the padding, or with another number than the
      one that `pad_sequence` writes.
    - A mean over all places instead of `(loss * mask).sum() / mask.sum()`.

    ## When not to worry
    Where the padding token also ends a sentence its first occurrence is something to learn; only
    what follows it is counted here. Up to half of padding does little harm to the result and is
    told as a note.

    ## References
    - transformers, pull request 34191 and issue 35203: which tokens a loss divides by.
    - torch documentation of `torch.nn.CrossEntropyLoss`, parameter `ignore_index`.
    """

    family = "objective"
    needs = (Padding, Objective)
    looks_like = {
        "class-imbalance-collapse": (
            "A common class stands anywhere in a row, not only behind its end."
        ),
    }
    share: float = limit(
        0.6,
        why="share of the targets that only fill up rows: this file's demo with `longest` set to "
        "7 and 12, 21% and 53% of padding, ends where it does without, on seeds 0 to 2; set to "
        "20, 70% of padding, it loses 9 to 39 points of accuracy",
    )
    told: float = limit(
        0.2, why="share from which it is told as a note: the loss that is printed is off by as much"
    )
    rows: float = limit(16, why="rows behind the statement that this target ends rows only")
    prescriptions = (
        Prescription(
            "Leave the padding out of the loss: CrossEntropyLoss(ignore_index=PAD).",
            "Then the mean is over the real tokens alone.",
            "the padding token also ends sentences: keep its first occurrence in each row",
            edits=("ignore-index",),
        ),
        Prescription(
            "For other losses use reduction='none' and (loss * mask).sum() / mask.sum().",
            "Dividing by all places would make the step smaller the more padding there is.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
symbols, longest = 8, 40
PAD = 0


def sentence():
    length = longest if torch.rand(()) < 0.03 else torch.randint(3, 7, ()).item()
    words = torch.randint(1, symbols + 1, (length,))
    before = torch.cat([words.new_zeros(1), words[:-1]])
    return words, (words + before) % symbols + 1  # a tag goes by two words


pairs = [sentence() for _ in range(800)]
x = pad_sequence([words for words, _ in pairs], batch_first=True, padding_value=PAD)
y = pad_sequence([tags for _, tags in pairs], batch_first=True, padding_value=PAD)
train_x, train_y, val_x, val_y = x[:600], y[:600], x[600:], y[600:]


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(symbols + 1, 16, padding_idx=PAD)
        self.hidden = nn.Linear(32, 64)
        self.head = nn.Linear(64, symbols + 1)

    def forward(self, tokens):
        words = self.embedding(tokens)
        both = torch.cat([words, words.roll(1, 1)], 2)
        return self.head(torch.relu(self.hidden(both)))


model = Tagger()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)

for epoch in range(3):
    model.train()
    for rows in torch.randperm(600).split(30):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]).flatten(0, 1), train_y[rows].flatten())
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        real = val_y != PAD
        guess = model(val_x).argmax(-1)
        accuracy = (guess == val_y)[real].float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy on real tokens {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy on real tokens", "value": accuracy}))
""",
        cure=(("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(ignore_index=PAD)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        objectives = {o.site: o for o in run.objectives}
        for fact in run.all(Padding):
            objective = objectives.get(fact.objective)
            if objective is None or not fact.counted or fact.inside or fact.rows < self.rows:
                continue
            if fact.lengths < 2 or fact.padded < self.told * fact.targets:
                continue
            share = fact.padded / fact.targets
            yield self.finding(
                f"{share:.0%} of the targets are padding, {fact.value:g}, and enter the loss like "
                "any other.",
                Evidence(
                    "padding",
                    f"in {fact.rows} rows of {fact.lengths} different lengths {fact.padded} of "
                    f"{fact.targets} targets are {fact.value:g} behind the end of the row, where "
                    "the input stays the same, too; before the end none is",
                    where=objective.site,
                    value=share,
                    limit=self.share,
                ),
                severity="warning" if share >= self.share else "note",
                confidence=0.9,
                exact=True,
                where=objective.site,
                source=objective.source,
                first_step=0,
            )
