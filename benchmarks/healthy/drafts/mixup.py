"""Mixup: soft targets, a training loss that cannot fall far, and a training accuracy below the validation's."""

import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
d = load_digits()
perm = torch.randperm(1797)
x, y = torch.tensor(d.data, dtype=torch.float32)[perm] / 16, torch.tensor(d.target)[perm]
x_val, y_val, x, y = x[:400], y[:400], x[400:], y[400:]
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
ce = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
for epoch in range(25):
    losses = []
    for idx in torch.randperm(len(x)).split(48):
        lam = float(rng.beta(1.0, 1.0))
        other = idx[torch.randperm(len(idx))]
        out = model(lam * x[idx] + (1 - lam) * x[other])
        loss = lam * ce(out, y[idx]) + (1 - lam) * ce(out, y[other])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        out = model(x_val)
    acc = (out.argmax(1) == y_val).float().mean().item()
    if epoch % 4 == 0:
        print(f"epoch {epoch}: mixed loss {np.mean(losses):.3f}, val loss {ce(out, y_val):.3f}, val acc {acc:.4f}")
print("RESULT", json.dumps({"metric": "val_acc", "value": round(acc, 4), "good": acc >= 0.95}))
