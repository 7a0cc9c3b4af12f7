"""Triplet network with hard negatives in the batch. The loss stays near the margin for a while."""

import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

MARGIN = 0.3


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 24))

    def forward(self, x):
        return F.normalize(self.f(x), dim=1)


def batch_hard(z, y):
    d = torch.cdist(z, z)
    same = y[:, None] == y[None]
    hardest_pos = d.masked_fill(~same, 0.0).max(1).values
    hardest_neg = d.masked_fill(same, float("inf")).min(1).values
    return F.relu(hardest_pos - hardest_neg + MARGIN).mean()


def main(seed):
    torch.manual_seed(seed)
    d = load_digits()
    perm = torch.randperm(1797)
    x, y = torch.tensor(d.data, dtype=torch.float32)[perm] / 16, torch.tensor(d.target)[perm]
    x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]
    rows = [(y_train == c).nonzero()[:, 0] for c in range(10)]
    net = Embed()
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(600):
        idx = torch.cat([r[torch.randint(len(r), (4,))] for r in rows])
        loss = batch_hard(net(x_train[idx]), y_train[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 60 == 0:
            print(f"step {step}: {loss.item():.4f}")
    with torch.no_grad():
        nearest = torch.cdist(net(x_test), net(x_train)).argmin(1)
    acc = (y_train[nearest] == y_test).float().mean().item()
    print("RESULT", json.dumps({"metric": "nn_acc", "value": round(acc, 4), "good": acc >= 0.94}))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
