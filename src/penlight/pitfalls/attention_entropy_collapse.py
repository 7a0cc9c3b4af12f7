"""attention-entropy-collapse: see the card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ATTENTION_ENTROPY, ATTENTION_LOGIT, LOSS
from penlight.pitfalls._curves import fails
from penlight.pitfalls._layers import LOOKS


class AttentionEntropyCollapse(Pitfall):
    """Attention looks at one key alone, so its softmax passes on no gradient.

    A party where each guest has picked one other before a word was said, and hears nobody else
    all night: no story, however good, can change whom he listens to.

    ## What happens
    Attention weighs the keys by the softmax of q . k / sqrt(d). When these logits are tens apart
    the softmax is one-hot. Its slope is then zero: which key is attended to no longer depends
    smoothly on the weights, and queries and keys stop learning.

    ## Symptoms
    - The loss stays near what the model reaches without any attention.
    - The entropy of the attention weights is near zero from the start, or falls there and stays.

    ## Causes
    - Query and key weights drawn too large, e.g. `nn.init.normal_` without a std, which is 1.
    - The division by sqrt(d) was forgotten, or made twice the wrong way round.
    - Logits that grew in training, at too high a rate.

    ## When not to worry
    Heads that copy or look one token back are sharp in models that work. Here the run fails, and
    most attentions are that sharp.

    ## References
    - S. Zhai et al., Stabilizing Transformer Training by Preventing Attention Entropy Collapse,
      ICML 2023, arXiv 2303.06296.
    """

    family = "scale/transformer"
    needs = (ATTENTION_ENTROPY, ATTENTION_LOGIT, LOSS)
    caused_by = (
        "lr-too-high",
        "exploding-gradient",
        "input-scale",
        "nonfinite-loss",
    )
    sharp: float = limit(
        0.1,
        why="entropy over that of equal weights. Weights drawn at std 1 gave 0.03 to 0.05 from the "
        "first step to the last, torch's default 0.9 and more; healthy runs end at 0.8 "
        "(benchmarks/healthy, the language model), sharp heads at 0.01 in models that have learnt",
    )
    logit: float = limit(
        20.0, why="size of the logits that makes it so: a lead of 20 leaves e**-20 to the others"
    )
    share: float = limit(
        0.5, why="of the attentions: single sharp heads are a way to copy or to look one back"
    )
    looks: float = limit(10, why="fewer looks do not tell the start of a run from its end")
    prescriptions = (
        Prescription(
            "Draw the weights of queries and keys at the scale of their width: "
            "`nn.init.xavier_uniform_`, or torch's default.",
            "Logits then begin near 1, where the softmax has a slope.",
            "the weights are pretrained",
            edits=("initialise",),
        ),
        Prescription(
            "Divide q . k by sqrt(d), or call scaled_dot_product_attention without a scale.",
            "A sum of d products grows like sqrt(d).",
        ),
        Prescription(
            "Normalise queries and keys before their product (QK-norm).",
            "It bounds the logits whatever the weights do.",
            "the weights are pretrained without it",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
tokens, length, width, heads = 16, 12, 32, 4


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.normal_(self.qkv.weight, std=2.0)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        x = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(x.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention()
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Reverser(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.place = nn.Parameter(0.5 * torch.randn(length, width))
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, tokens))

    def forward(self, x):
        return self.head(self.blocks(self.embed(x) + self.place))


x = torch.randint(0, tokens, (1800, length))
y = x.flip(1)
train_x, train_y, val_x, val_y = x[:1500], y[:1500], x[1500:], y[1500:]
model = Reverser()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(8):
    model.train()
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = criterion(model(train_x[rows]).flatten(0, 1), train_y[rows].flatten())
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(val_x).argmax(-1) == val_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(
            (
                "nn.init.normal_(self.qkv.weight, std=2.0)",
                "nn.init.xavier_uniform_(self.qkv.weight)",
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        outcome = fails(run)
        known = [s.finite for s in run.every(ATTENTION_ENTROPY) if len(s.finite) >= self.looks]
        if not outcome or not known:
            return
        sharp = []
        for series in known:
            logits = run.series(ATTENTION_LOGIT, series.site).finite
            late = float(np.median(series.values[-LOOKS:]))
            if logits and late < self.sharp and np.median(logits.values[-LOOKS:]) > self.logit:
                sharp.append((late, series))
        if len(sharp) < self.share * len(known):
            return
        late, worst = min(sharp, key=lambda x: x[0])
        first = float(np.median(worst.values[:LOOKS]))
        logit = float(np.median(run.series(ATTENTION_LOGIT, worst.site).finite.values[-LOOKS:]))
        since = "from the first step on" if first < self.sharp else f"where it began at {first:.2f}"
        module = run.module(worst.site)
        yield self.finding(
            f"{len(sharp)} of {len(known)} attentions look at one key alone: the entropy of "
            f"{worst.site} is {late:.2f} of what equal weights give, {since}.",
            Evidence(
                "attention_entropy",
                f"{late:.3f} at {worst.site} over the last looks, {first:.3f} over the first",
                where=worst.site,
                steps=(int(worst.steps[0]), int(worst.steps[-1])),
                value=late,
                limit=self.sharp,
            ),
            Evidence(
                "attention_logit",
                f"its largest logit is {logit:.0f}",
                where=worst.site,
                value=logit,
                limit=self.logit,
            ),
            severity="critical" if outcome == "ruined" else "warning",
            confidence=0.9,
            where=worst.site,
            source=module.source if module is not None else "",
            first_step=int(worst.steps[0]),
        )
