import json
import sys

import numpy as np
import torch
from torch import nn, optim

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def f_x(x):
    return x * x / 64 - 5 * x / 4 + 25


def build_dataset():
    x_values = np.ones((21, 1))
    for i in range(21):
        x_values[i] = i + 30
    return x_values


x_values = build_dataset()
grid = np.linspace(30, 50, 101).reshape(-1, 1)
offset, spread = 0.0, 1.0

net = nn.Sequential(nn.Linear(1, 500), nn.ReLU(), nn.Linear(500, 500), nn.ReLU(),
                    nn.Linear(500, 500), nn.ReLU(), nn.Linear(500, 1))
optimizer = optim.Adam(net.parameters(), lr=0.00001)
epochs = 700


def as_input(values):
    return torch.from_numpy((values - offset) / spread).float()


def train():
    net.train()
    losses = []
    x_train = as_input(x_values)
    y_train = torch.from_numpy(f_x(x_values)).float()
    for epoch in range(1, epochs):
        y_pred = net(x_train)
        loss = torch.sum(torch.abs(y_pred - y_train))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if epoch % 50 == 0:
            print("epoch", epoch, "loss", loss.item())
    return losses


train()
with torch.no_grad():
    pred = net(as_input(grid)).numpy()
mae = float(np.abs(pred - f_x(grid)).mean())
print("RESULT", json.dumps({"metric": "mae", "value": mae}))
