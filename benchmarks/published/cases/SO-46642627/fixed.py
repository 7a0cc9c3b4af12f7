"""Learn y = 100 x with a small net."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

k = np.arange(1, 10001, 5)
x = (k / 10000.0).astype(np.float32)[:, None]
y = ((k + 1) / 100.0).astype(np.float32)[:, None]
perm = rng.permutation(len(x))
train, test = perm[:1600], perm[1600:]
scale = 100.0
x_train, y_train = torch.from_numpy(x[train]), torch.from_numpy(y[train] / scale)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=100, shuffle=True)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(1, 50)
        self.fc2 = nn.Linear(50, 50)
        self.fc3 = nn.Linear(50, 1)
        for fc in (self.fc1, self.fc2, self.fc3):
            nn.init.uniform_(fc.weight, -0.05, 0.05)
            nn.init.zeros_(fc.bias)

    def forward(self, t):
        t = torch.relu(self.fc1(t))
        t = torch.relu(self.fc2(t))
        return self.fc3(t)


def loss_fn(pred, target):
    return ((pred - target) ** 2).mean()


net = Model()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(40):
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = loss_fn(net(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 0:
        print(f"epoch {epoch}: {total / len(loader):.5f}")

with torch.no_grad():
    pred = net(torch.from_numpy(x[test])).numpy() * scale
value = float(((pred - y[test]) ** 2).mean() / y[test].var())
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
