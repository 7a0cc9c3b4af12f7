"""Fuel efficiency (auto-mpg) with a small dense network."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import autompg_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

raw, mpg = autompg_data()
origin = np.eye(3)[raw[:, 6].astype(int) - 1]
X = np.hstack([raw[:, :6], origin])
idx = rng.permutation(len(X))
train, test = idx[:314], idx[314:]
X = (X - X[train].mean(0)) / X[train].std(0)
y_mean, y_std = mpg[train].mean(), mpg[train].std()

X_train = torch.tensor(X[train], dtype=torch.float32)
y_train = torch.tensor((mpg[train] - y_mean) / y_std, dtype=torch.float32)[:, None]
X_test = torch.tensor(X[test], dtype=torch.float32)

model = nn.Sequential(
    nn.Linear(9, 64), nn.ReLU(),
    nn.Linear(64, 64), nn.ReLU(),
    nn.Linear(64, 1),
)
for layer in model[::2]:
    nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)

criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(60):
    for batch in torch.randperm(len(X_train)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(X_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch:3d}  mse {loss.item():.4f}")

model.eval()
with torch.no_grad():
    pred = model(X_test).squeeze(1).numpy() * y_std + y_mean
score = float(((pred - mpg[test]) ** 2).mean() / mpg[test].var())
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": score}))
