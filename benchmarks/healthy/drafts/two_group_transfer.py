"""Transfer learning with two parameter groups: the trunk learns at one hundredth of the head's learning rate."""

import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 16, 48), nn.ReLU(),
        )
        self.head = nn.Linear(48, classes)

    def forward(self, x):
        return self.head(self.trunk(x))


def fit(net, x, y, optimizer, epochs):
    for epoch in range(epochs):
        for i in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(net(x[i]), y[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch}: {loss.item():.4f}")


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
x, y = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) / 16, torch.tensor(d.target)
old = y < 6
net = Net(6)
print("digits 0-5")
fit(net, x[old], y[old], torch.optim.Adam(net.parameters(), lr=2e-3), 5)
net.head = nn.Linear(48, 4)
groups = [{"params": net.trunk.parameters(), "lr": 3e-5}, {"params": net.head.parameters(), "lr": 3e-3}]
x_new, y_new = x[~old], y[~old] - 6
print("digits 6-9")
fit(net, x_new[:500], y_new[:500], torch.optim.Adam(groups), 12)
net.eval()
with torch.no_grad():
    acc = (net(x_new[500:]).argmax(1) == y_new[500:]).float().mean().item()
print("RESULT", json.dumps({"metric": "val_acc", "value": round(acc, 4), "good": acc >= 0.9}))
