"""Digits with gradient accumulation: micro-batches of 8, an update every 8 of them."""

import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

ACCUM_STEPS = 8

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = load_digits(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X / 16, y, test_size=0.25, stratify=y, random_state=seed)
train_ds = TensorDataset(torch.Tensor(X_train), torch.LongTensor(y_train))
train_dl = DataLoader(train_ds, batch_size=8, shuffle=True, drop_last=True)
X_val, y_val = torch.Tensor(X_val), torch.LongTensor(y_val)

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.002)

for epoch in range(30):
    model.train()
    running_loss, updates = 0.0, 0
    optimizer.zero_grad()
    for i, (xb, yb) in enumerate(train_dl, start=1):
        loss = criterion(model(xb), yb)
        (loss / ACCUM_STEPS).backward()
        running_loss += loss.item()
        if i % ACCUM_STEPS == 0:
            optimizer.step()
            optimizer.zero_grad()
            updates += 1

    model.eval()
    with torch.no_grad():
        val_logits = model(X_val)
        val_loss = criterion(val_logits, y_val).item()
        val_acc = (val_logits.argmax(1) == y_val).float().mean().item()
    print(
        f"epoch {epoch + 1:2d} ({updates} updates): train loss {running_loss / len(train_dl):.4f},"
        f" val loss {val_loss:.4f}, val acc {val_acc:.4f}"
    )

print("RESULT", json.dumps({"metric": "val_acc", "value": round(val_acc, 4), "good": val_acc >= 0.93}))
