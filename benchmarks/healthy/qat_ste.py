"""Quantisation-aware training: weights on 15 levels, the rounding is skipped in the backward pass (detach on purpose)."""

import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def fake_quantise(w, bits=4):
    scale = w.detach().abs().max() / (2 ** (bits - 1) - 1)
    q = (w / scale).round() * scale
    return w + (q - w).detach()


class QLinear(nn.Linear):
    def forward(self, x):
        return F.linear(x, fake_quantise(self.weight), self.bias)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
perm = torch.randperm(1797)
x, y = torch.tensor(d.data, dtype=torch.float32)[perm] / 16, torch.tensor(d.target)[perm]
model = nn.Sequential(QLinear(64, 96), nn.ReLU(), QLinear(96, 48), nn.ReLU(), QLinear(48, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(15):
    for i in torch.randperm(1400).split(35):
        loss = F.cross_entropy(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
    print(f"epoch {epoch}: {loss.item():.4f} {acc:.4f}")
levels = len(fake_quantise(model[0].weight.detach()).unique())
print(levels, "levels")
print("RESULT", json.dumps({"metric": "quantised_acc", "value": round(acc, 4), "good": acc >= 0.93}))
