"""Three blobs, five dense layers."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_blobs

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

X, y = make_blobs(1000, centers=3, cluster_std=2, random_state=2)
X = X * 100
order = rng.permutation(1000)
X, y = X[order], y[order]
X = torch.tensor(X, dtype=torch.float32)
Y = torch.eye(3)[torch.tensor(y)]
x_train, y_train, x_test, y_test = X[:700], Y[:700], X[700:], Y[700:]


class MLP(nn.Module):
    def __init__(self, width=50, depth=4):
        super().__init__()
        sizes = [2] + [width] * depth
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.last = nn.Linear(width, 3)
        for layer in [*self.hidden, self.last]:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.hidden:
            x = layer(x).relu()
        return self.last(x).relu()


def crossentropy(p, y):
    p = p / (p.sum(1, keepdim=True) + 1e-7)
    return -(y * p.clamp(1e-7, 1 - 1e-7).log()).sum(1).mean()


net = MLP()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(80):
    for rows in torch.randperm(700).split(64):
        loss = crossentropy(net(x_train[rows]), y_train[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    acc = (net(x_test).argmax(1) == y_test.argmax(1)).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
