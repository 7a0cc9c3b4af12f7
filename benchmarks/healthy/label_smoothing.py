"""Digits with label smoothing."""

import json
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

data, target = load_digits(return_X_y=True)
x, x_val, y, y_val = train_test_split(data / 16.0, target, test_size=0.25, stratify=target, random_state=seed)
x, x_val = torch.tensor(x).float(), torch.tensor(x_val).float()
y, y_val = torch.tensor(y), torch.tensor(y_val)

model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

n, batch_size = len(x), 32
for epoch in range(40):
    model.train()
    permutation = torch.randperm(n)
    total = 0.0
    for start in range(0, n, batch_size):
        indices = permutation[start : start + batch_size]
        optimizer.zero_grad()
        loss = criterion(model(x[indices]), y[indices])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(indices)

    model.eval()
    with torch.no_grad():
        logits = model(x_val)
        val_loss = criterion(logits, y_val).item()
        val_acc = (logits.argmax(1) == y_val).float().mean().item()
    print(f"epoch {epoch + 1}: loss {total / n:.4f}, val_loss {val_loss:.4f}, val_acc {val_acc:.4f}")

print("RESULT", json.dumps({"metric": "val_acc", "value": round(val_acc, 4), "good": val_acc >= 0.96}))
