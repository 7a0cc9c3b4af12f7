"""The healthy twin of struggling.py: ReLU in place of sigmoid, and the initialisation for it."""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

CLASSES = 4
EPOCHS = 30

torch.manual_seed(0)


def spirals(n):
    label = torch.randint(CLASSES, (n,))
    radius = torch.rand(n).sqrt()
    angle = 2 * math.pi * (label / CLASSES + 0.5 * radius) + 0.1 * torch.randn(n)
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return TensorDataset(2 * points, label)


def network(width=64, depth=8):
    layers = [nn.Linear(2, width), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    layers += [nn.Linear(width, CLASSES)]
    for linear in layers[::2]:
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
    return nn.Sequential(*layers)


def evaluate(model, loader):
    model.eval()
    loss = correct = 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
    return loss / len(loader.dataset), correct / len(loader.dataset)


train_set, valid_set = random_split(spirals(2500), [2000, 500])
train_loader = DataLoader(train_set, batch_size=50, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=250)

model = network()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

for epoch in range(1, EPOCHS + 1):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    valid_loss, accuracy = evaluate(model, valid_loader)
    if epoch % 5 == 0:
        print(f"epoch {epoch:2d}  validation loss {valid_loss:.3f}  accuracy {accuracy:.1%}")
