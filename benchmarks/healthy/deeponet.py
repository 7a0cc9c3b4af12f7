"""DeepONet for the antiderivative: branch net on sensor values, trunk net on the place, as in the DeepXDE example."""
import json
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)
SENSORS, WIDTH = 50, 40


def gaussian_process(n, length=0.2, grid=201):
    x = np.linspace(0, 1, grid)
    cov = np.exp(-0.5 * (x[:, None] - x[None]) ** 2 / length ** 2) + 1e-8 * np.eye(grid)
    return x, rng.standard_normal((n, grid)) @ np.linalg.cholesky(cov).T


def make_pairs(n, places=20):
    x, v = gaussian_process(n)
    u = np.concatenate([np.zeros((n, 1)), np.cumsum((v[:, 1:] + v[:, :-1]) / 2, 1) * (x[1] - x[0])], 1)
    at = rng.uniform(0, 1, (n, places))
    target = np.stack([np.interp(at[i], x, u[i]) for i in range(n)])
    sensors = np.stack([np.interp(np.linspace(0, 1, SENSORS), x, v[i]) for i in range(n)])
    return [torch.tensor(a, dtype=torch.float32) for a in (sensors, at, target)]


class FNN(nn.Module):
    def __init__(self, sizes, last_activation=False):
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        for layer in self.linears:
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.last_activation = last_activation

    def forward(self, x):
        for i, layer in enumerate(self.linears):
            x = layer(x)
            if i < len(self.linears) - 1 or self.last_activation:
                x = torch.relu(x)
        return x


class DeepONetCartesianProd(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = FNN([SENSORS, WIDTH, WIDTH])
        self.trunk = FNN([1, WIDTH, WIDTH], last_activation=True)
        self.b = nn.Parameter(torch.tensor(0.0))

    def forward(self, sensors, at):
        return torch.einsum("bk,bpk->bp", self.branch(sensors), self.trunk(at.unsqueeze(-1))) + self.b


def mean_l2_relative_error(pred, true):
    return (torch.linalg.norm(pred - true, dim=1) / torch.linalg.norm(true, dim=1)).mean().item()


train, test = make_pairs(1500), make_pairs(500)
model = DeepONetCartesianProd()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
iterations = 4000
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: 1 / (1 + s / 1500))
print("Step      Train loss  Test loss   Test metric")
for step in range(iterations + 1):
    model.train()
    idx = torch.randint(0, len(train[0]), (128,))
    loss = nn.functional.mse_loss(model(train[0][idx], train[1][idx]), train[2][idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 500 == 0:
        model.eval()
        with torch.no_grad():
            pred = model(test[0], test[1])
            test_loss = nn.functional.mse_loss(pred, test[2]).item()
            metric = mean_l2_relative_error(pred, test[2])
        print(f"{step:<9d} {loss.item():.2e}    {test_loss:.2e}    {metric:.2e}")
r = test_loss / test[2].var().item()
print("RESULT", json.dumps({"metric": "test mse / variance", "value": round(r, 6), "good": r <= 0.005}))
