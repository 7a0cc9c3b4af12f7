"""Three quantiles with the pinball loss; the outputs are meant to miss the targets, and the loss has a floor."""

import argparse
import json

import numpy as np
import torch
from torch import nn

QUANTILES = torch.tensor([0.1, 0.5, 0.9])


def pinball(pred, y):
    e = y[:, None] - pred
    return torch.maximum(QUANTILES * e, (QUANTILES - 1) * e).mean()


def make(n, rng):
    x = rng.uniform(-2, 2, (n, 1))
    y = np.sin(2 * x[:, 0]) + (0.2 + 0.4 * np.abs(x[:, 0])) * rng.normal(size=n)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int, nargs="?", default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)
x, y = make(3000, rng)
x_val, y_val = make(1000, rng)
model = nn.Sequential(nn.Linear(1, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
for epoch in range(20):
    for i in torch.randperm(3000).split(60):
        loss = pinball(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
    with torch.no_grad():
        val = pinball(model(x_val), y_val).item()
    print(f"epoch {epoch} train {loss.item():.4f} val {val:.4f}")
with torch.no_grad():
    below = (y_val[:, None] < model(x_val)).float().mean(0)
worst = (below - QUANTILES).abs().max().item()
print("coverage", below.tolist())
print("RESULT", json.dumps({"metric": "worst_coverage_error", "value": round(worst, 4), "good": worst <= 0.05}))
