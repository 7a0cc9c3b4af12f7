import json
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

EPOCHS, MAX_LR = 10, 0.1


def train_one_epoch(model, loader, optimizer, scheduler):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
    return loss.item()


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
digits = load_digits()
perm = torch.randperm(1797)
x, y = torch.tensor(digits.data / 16, dtype=torch.float32)[perm], torch.tensor(digits.target)[perm]
loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=50, shuffle=True)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=MAX_LR, momentum=0.9)
scheduler = OneCycleLR(optimizer, max_lr=MAX_LR, total_steps=EPOCHS * len(loader) + 1, div_factor=100)
for epoch in range(EPOCHS):
    loss = train_one_epoch(model, loader, optimizer, scheduler)
    acc = accuracy(model, x[1400:], y[1400:])
    print(f"{epoch:3d} {loss:.4f} {acc:.4f} lr={scheduler.get_last_lr()[0]:.5f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
