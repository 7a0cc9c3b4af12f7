"""Autoencoder with a non-negative dictionary; neighbouring entries of an atom should be smooth."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# smooth non-negative bumps
grid = np.arange(60)
centres = np.random.uniform(5, 55, (1200, 3, 1))
heights = np.random.uniform(0.2, 1.0, (1200, 3, 1))
signals = (heights * np.exp(-0.5 * ((grid - centres) / 4) ** 2)).sum(1)
signals = torch.tensor(signals + np.random.normal(0, 0.1, signals.shape), dtype=torch.float32)
train, val = signals[:1000], signals[1000:]


class AutoEncoder(nn.Module):
    def __init__(self, n=60, k=16):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(n, 32), nn.ReLU(), nn.Linear(32, k), nn.ReLU())
        self.DEC = nn.Linear(k, n, bias=False)
        self.DEC.weight.data.uniform_(0, 0.5)

    def forward(self, x):
        return self.DEC(self.enc(x))


def tv(model):
    w = model.DEC.weight.data
    return (w[1:] - w[:-1]).abs().sum(0).mean()


model = AutoEncoder()
mse = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
for epoch in range(40):
    for idx in torch.randperm(len(train)).split(50):
        x = train[idx]
        loss = mse(model(x), x) + 0.01 * tv(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.DEC.weight.data.clamp_(min=0)
    if epoch % 5 == 0:
        print(epoch, "loss", loss.item(), "tv", tv(model).item())

with torch.no_grad():
    value = (mse(model(val), val) + 0.01 * tv(model)).item()
print("RESULT", json.dumps({"metric": "validation loss (mse + total variation)", "value": value}))
