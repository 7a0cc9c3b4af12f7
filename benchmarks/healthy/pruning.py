"""Magnitude pruning: after a first training 80% of the weights are set to zero and held there while the rest is tuned."""

import json
import sys

import torch
import torch.nn as nn
import torch.nn.utils.prune as prune
from sklearn.datasets import load_digits


def train(model, x, y, epochs, lr):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(40):
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch}: {loss.item():.4f}")


def accuracy(model, x, y):
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
perm = torch.randperm(1797)
x, y = torch.tensor(d.data, dtype=torch.float32)[perm] / 16, torch.tensor(d.target)[perm]
model = nn.Sequential(nn.Linear(64, 160), nn.ReLU(), nn.Linear(160, 80), nn.ReLU(), nn.Linear(80, 10))
train(model, x[:1400], y[:1400], 8, 2e-3)
print("dense:", accuracy(model, x[1400:], y[1400:]))
layers = [(m, "weight") for m in model if isinstance(m, nn.Linear)]
prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.8)
print("pruned:", accuracy(model, x[1400:], y[1400:]))
train(model, x[:1400], y[:1400], 6, 1e-3)
for module, name in layers:
    prune.remove(module, name)
acc = accuracy(model, x[1400:], y[1400:])
print("RESULT", json.dumps({"metric": "pruned_acc", "value": round(acc, 4), "good": acc >= 0.94}))
