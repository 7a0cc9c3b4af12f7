"""A fault that flatters is repaired when it is gone, although the outcome is worse without it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from penlight.core.vocabulary import LOSS
from penlight.launch.target import Target
from penlight.testing import fake_run
from penlight.trial.absence import _learns
from penlight.trial.fix import fix

# Each token is the one before it plus 1 to 3: the next one can be guessed, and it can be seen.
LANGUAGE = """
import sys
import torch
import torch.nn.functional as F
from torch import nn
torch.manual_seed(int(sys.argv[1]))
tokens = (torch.randint(1, 4, (400, 13)).cumsum(1) + torch.randint(0, 12, (400, 1))) % 12


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.place = nn.Embedding(12, 32), nn.Embedding(12, 32)
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
        self.head = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 12))

    def forward(self, ids):
        x = self.token(ids) + self.place(torch.arange(ids.size(1)))
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return self.head(x + self.out(F.scaled_dot_product_attention(q, k, v)))


def loss_of(rows):
    return F.cross_entropy(model(rows[:, :-1]).reshape(-1, 12), rows[:, 1:].reshape(-1))


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(25):
    for rows in tokens[:320].split(32):
        optimizer.zero_grad()
        loss = loss_of(rows)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        loss_of(tokens[320:])
"""


@pytest.mark.slow
def test_a_leak_is_repaired_though_the_honest_result_is_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(LANGUAGE)
    found = fix(Target("path", "train.py"), ("0",))
    assert found.accepted, found.why
    assert found.confirmed
    best = found.trials[0]
    assert (best.edits, best.proof, best.pairs) == (("causal-mask",), "absence", 4)
    assert best.before is not None
    assert best.after is not None
    assert best.before < best.after < 0.8  # seen, and guessed: two of three are wrong at best
    assert "is_causal=True" in found.patch
    assert found.after is not None
    assert "causal-leak" not in {f.pitfall for f in found.after.alarms}


# The rare class is repeated before some rows are held out.
REPEATED = """
import sys
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch import nn
seed = int(sys.argv[1])
torch.manual_seed(seed)
X, y = make_classification(1500, 12, n_informative=6, weights=[0.8], flip_y=0.1, random_state=seed)


def oversample(X, y):
    rare = np.flatnonzero(y == 1)
    more = np.random.default_rng(seed).choice(rare, len(rare))
    return np.concatenate([X, X[more]]), np.concatenate([y, y[more]])


X, y = oversample(X, y)
a, b, c, d = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
a, b, c, d = (torch.tensor(v) for v in (a, b, c, d))
model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    for rows in torch.randperm(len(a)).split(32):
        optimizer.zero_grad()
        F.cross_entropy(model(a[rows].float()), c[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        F.cross_entropy(model(b.float()), d)
"""


@pytest.mark.slow
def test_rows_that_were_held_out_after_they_were_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is tried: with the copies there every outcome is untrue."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(REPEATED)
    found = fix(Target("path", "train.py"), ("0",))
    assert found.accepted, found.why
    assert [(t.edits, t.proof) for t in found.trials] == [(("split-first",), "absence")]
    assert found.after is not None
    assert "train-val-leakage" not in {f.pitfall for f in found.after.alarms}


@pytest.mark.parametrize(
    ("losses", "learns"),
    [
        ([3.0, 2.5, 2.0, 1.9], True),
        ([2.0, 2.1, 2.3], False),
        ([3.0, 2.0, math.nan], False),
        ([], False),
    ],
)
def test_what_counts_as_learning(losses: list[float], learns: bool) -> None:
    assert _learns(fake_run({LOSS: losses})) is learns
