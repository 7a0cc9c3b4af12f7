# Next GPS position of a delivery van at every step of its trip
import json
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
rng = np.random.default_rng(SEED)


def trips(n):
    """A van leaves the depot, drives to an address and comes home."""
    out = []
    for _ in range(n):
        depot = np.array([113.35, 23.05])
        address = depot + rng.uniform(-0.15, 0.15, 2)
        pos, way = depot, [depot]
        for goal in (address, depot):
            while np.abs(goal - pos).max() > 0.004:
                pos = pos + np.clip(goal - pos, -0.02, 0.02) * rng.uniform(0.6, 1.0, 2)
                way.append(pos)
        out.append(np.array(way))
    return out


def tensors(ways):
    ways = [torch.tensor((w - low) / (high - low), dtype=torch.float32) for w in ways]
    x = pad_sequence([w[:-1] for w in ways], batch_first=True)
    y = pad_sequence([w[1:] for w in ways], batch_first=True)
    mask = pad_sequence([torch.ones(len(w) - 1) for w in ways], batch_first=True)
    return x, y, mask


raw = trips(700)
corner = np.concatenate(raw)
low, high = corner.min(0), corner.max(0)
train_set, (val_x, val_y, val_mask) = tensors(raw[:600]), tensors(raw[600:])


class Tracker(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.rnn = nn.GRU(2, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x):
        out, _ = self.rnn(x)
        return x + self.head(out)


def distance(pred, target, mask):
    lx, ly = ((pred - target) * mask.unsqueeze(-1)).unbind(-1)
    return torch.sum(torch.sqrt(torch.square(lx) + torch.square(ly) + 1e-10)) / mask.sum()


model = Tracker()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(*train_set), batch_size=32, shuffle=True)
for epoch in range(15):
    model.train()
    losses = []
    for xb, yb, mb in loader:
        loss = distance(model(xb), yb, mb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        val = distance(model(val_x), val_y, val_mask).item()
    print(f"epoch {epoch + 1:2d}  loss {np.mean(losses):.5f}  val {val:.5f}")

print("RESULT", json.dumps({"metric": "val_distance", "value": val if math.isfinite(val) else None}))
