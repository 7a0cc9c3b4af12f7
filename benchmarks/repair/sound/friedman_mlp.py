"""Friedman's regression problem: five inputs matter, five do not, each in a unit of its own."""
import json
import sys

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from torch import nn

config = {"lr": 1e-2, "epochs": 40, "batch": 32, "hidden": 64}
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

features, target = make_friedman1(1000, 10, noise=0.5, random_state=3)
features = features * np.array([1, 1000, 10, 1, 500, 1, 50, 1, 2000, 10]) + 100
features, target = features.astype(np.float32), target.astype(np.float32)
mean, std = features[:800].mean(0), features[:800].std(0)
features = (features - mean) / std
X, y = torch.from_numpy(features), torch.from_numpy(target).unsqueeze(1)
X_train, X_test, y_train, y_test = X[:800], X[800:], y[:800], y[800:]


class Regressor(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.out = nn.Linear(n_hidden, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.out(x)


net = Regressor(10, config["hidden"])
optimizer = torch.optim.Adam(net.parameters(), lr=config["lr"])
loss_fn = nn.MSELoss()

for epoch in range(config["epochs"]):
    order = torch.randperm(len(X_train))
    for i in range(0, len(order), config["batch"]):
        rows = order[i:i + config["batch"]]
        optimizer.zero_grad()
        loss = loss_fn(net(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        test_loss = loss_fn(net(X_test), y_test).item()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: test mse {test_loss:.3f}")

with torch.no_grad():
    error = ((net(X_test).flatten() - y_test.flatten()) ** 2).mean().item()
r2 = max(0.0, 1 - error / float(target[800:].var()))  # below 0, one failure is like another
print("RESULT", json.dumps({"metric": "r2", "value": r2}))
