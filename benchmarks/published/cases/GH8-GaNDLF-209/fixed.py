import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

S = 20


def scans(n, p_positive):
    yy, xx = np.mgrid[:S, :S]
    y = (np.random.rand(n) < p_positive).astype("int64")
    x = np.random.randn(n, 1, S, S).astype("float32") * 0.6
    for i in range(n):
        cx, cy = np.random.uniform(5, 15, 2)
        s = 2.6 if y[i] else 1.3
        x[i, 0] += np.random.uniform(1.2, 1.8) * np.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / (2 * s * s))
    return torch.tensor(x), torch.tensor(y)


train_x, train_y = scans(2400, 0.08)
val_x, val_y = scans(800, 0.08)


def get_class_imbalance_weights(labels):
    counts = torch.bincount(labels, minlength=2).float()
    weights_dict = {c: (counts[c] / counts.sum()).item() for c in range(2)}
    penalty_dict = {c: 1 - weights_dict[c] for c in range(2)}
    return penalty_dict, weights_dict


penalty_dict, weights_dict = get_class_imbalance_weights(train_y)
print("penalty_dict:", penalty_dict, "weights_dict:", weights_dict)

train_loader = DataLoader(TensorDataset(train_x, train_y), batch_size=32, shuffle=True)
val_loader = DataLoader(TensorDataset(val_x, val_y), batch_size=100)

model = nn.Sequential(
    nn.Conv2d(1, 12, 5, padding=2), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveMaxPool2d(1),
    nn.Flatten(), nn.Dropout(0.1), nn.Linear(24, 2),
)
criterion = nn.CrossEntropyLoss(weight=torch.tensor([penalty_dict[0], penalty_dict[1]]))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def balanced_accuracy():
    model.eval()
    hit, n = [0, 0], [0, 0]
    with torch.no_grad():
        for x, y in val_loader:
            pred = model(x).argmax(1)
            for c in range(2):
                hit[c] += ((pred == c) & (y == c)).sum().item()
                n[c] += (y == c).sum().item()
    model.train()
    return 0.5 * (hit[0] / n[0] + hit[1] / n[1])


for epoch in range(7):
    total = 0.0
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    print(f"epoch {epoch} train_loss {total / len(train_x):.4f} valid_balanced_acc {balanced_accuracy():.4f}")

print("RESULT", json.dumps({"metric": "val_balanced_accuracy", "value": balanced_accuracy()}))
