# Ranking of runners from the finishing orders of past races: a small net gives
# every runner a strength, and the Plackett-Luce likelihood scores the order.
# Results of races are mostly luck: even the true strengths leave a large loss.
import json
import sys
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

RUNNERS, FEATS = 8, 6


def strength(x):
    age, weight, form = x[..., 0], x[..., 1], x[..., 2]
    return 0.9 * form - 0.6 * (age ** 2 - 1) + 0.5 * weight * x[..., 3]


def make_races(n):
    x = np.random.randn(n, RUNNERS, FEATS)
    noisy = strength(x) + np.random.gumbel(size=(n, RUNNERS))
    order = np.argsort(-noisy, 1)                       # Gumbel trick: an exact PL draw
    x = np.take_along_axis(x, order[..., None], 1)      # rows in the order of finish
    return torch.tensor(x, dtype=torch.float32)


def pl_nll(scores):
    """scores: (races, runners), columns in the order of finish."""
    tail = torch.logcumsumexp(scores.flip(1), 1).flip(1)
    return (tail - scores).sum(1).mean()


class Scorer(nn.Module):
    """The same weights for each runner; no intercept, as it would cancel out."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(FEATS, 32), nn.GELU(), nn.Linear(32, 32), nn.GELU(),
                                    nn.Linear(32, 1, bias=False))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


train, val, test = make_races(6000), make_races(1000), make_races(3000)
loader = DataLoader(TensorDataset(train), batch_size=64, shuffle=True)
net = Scorer()
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
epochs = 18
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))

for epoch in range(epochs):
    net.train()
    running = 0.0
    for (x,) in loader:
        optimizer.zero_grad()
        loss = pl_nll(net(x))
        loss.backward()
        optimizer.step()
        scheduler.step()
        running += loss.item() * len(x)
    net.eval()
    with torch.no_grad():
        v = pl_nll(net(val)).item()
    print(f"epoch {epoch + 1:2d}/{epochs}  train {running / len(train):.4f}  val {v:.4f}")

with torch.no_grad():
    ours = pl_nll(net(test)).item()
    oracle = pl_nll(torch.tensor(strength(test.numpy().astype(float)))).item()
blind = float(np.log(np.arange(1, RUNNERS + 1)).sum())
share = (blind - ours) / (blind - oracle)
print(f"test nll {ours:.4f}, true strengths {oracle:.4f}, all orders alike {blind:.4f}")
print("RESULT " + json.dumps({"metric": "share_of_attainable_gain", "value": round(share, 4), "good": bool(share > 0.93)}))
