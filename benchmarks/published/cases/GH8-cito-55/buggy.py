import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

n, p = 3000, 8
X = np.random.uniform(-2, 2, size=(n, p)).astype("float32")
y = np.sin(X[:, 0]) + 0.5 * X[:, 1] * X[:, 2] + 0.7 * X[:, 3] - 0.3 * X[:, 4] ** 2 + 0.1 * np.random.randn(n)
n_train = 2400
y = ((y - y[:n_train].mean()) / y[:n_train].std()).astype("float32")
X = X / 1.155
train_dl = DataLoader(TensorDataset(torch.tensor(X[:n_train]), torch.tensor(y[:n_train, None])), batch_size=32, shuffle=True)
valid_dl = DataLoader(TensorDataset(torch.tensor(X[n_train:]), torch.tensor(y[n_train:, None])), batch_size=32)


def build_dnn(inp, hidden=(64, 64), dropout=0.2):
    layers = []
    for h in hidden:
        layers += [nn.Linear(inp, h), nn.SELU(), nn.Dropout(dropout)]
        inp = h
    layers.append(nn.Linear(inp, 1))
    return nn.Sequential(*layers)


net = build_dnn(p)
loss_fx = nn.MSELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
net.train()

for epoch in range(1, 41):
    train_l = []
    for b, t in train_dl:
        optimizer.zero_grad()
        loss = loss_fx(net(b), t)
        loss.backward()
        optimizer.step()
        train_l.append(loss.item())

    valid_l = []
    with torch.no_grad():
        for b, t in valid_dl:
            valid_l.append(loss_fx(net(b), t).item() * len(b))
    valid_loss = float(np.sum(valid_l) / len(valid_dl.dataset))
    if epoch % 5 == 0:
        print(f"Loss at epoch {epoch}: training: {np.mean(train_l):.3f}, validation: {valid_loss:.3f}")

print("RESULT", json.dumps({"metric": "validation_mse", "value": valid_loss}))
