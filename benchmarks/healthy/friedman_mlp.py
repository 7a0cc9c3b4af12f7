"""Regression of the Friedman #1 function (ten inputs, five of them useful, unit noise).
Modelled after "MLP regression in PyTorch" blog posts, with ReduceLROnPlateau on a validation split."""
import json
import sys

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_friedman1(n_samples=5000, n_features=10, noise=1.0, random_state=seed)
X = (X - 0.5) / np.sqrt(1 / 12)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
train_set, val_set, test_set = random_split(TensorDataset(X, y), [3500, 500, 1000])
y_train = y[train_set.indices]
y_mean, y_std = y_train.mean(), y_train.std()

train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
val_loader = DataLoader(val_set, batch_size=500)
test_loader = DataLoader(test_set, batch_size=1000)

model = nn.Sequential(
    nn.Linear(10, 48), nn.ReLU(),
    nn.Linear(48, 24), nn.ReLU(),
    nn.Linear(24, 1),
)
criterion = nn.MSELoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=4)


def evaluate(loader):
    model.eval()
    err, n = 0.0, 0
    with torch.no_grad():
        for xb, yb in loader:
            pred = model(xb).squeeze(-1)
            err += criterion(pred, (yb - y_mean) / y_std).item() * len(xb)
            n += len(xb)
    return err / n


for epoch in range(40):
    model.train()
    total = 0.0
    for xb, yb in train_loader:
        target = (yb - y_mean) / y_std
        optimizer.zero_grad()
        loss = criterion(model(xb).squeeze(-1), target)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    val = evaluate(val_loader)
    scheduler.step(val)
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1:2d}: train {total / 3500:.4f}  val {val:.4f}  "
              f"lr {optimizer.param_groups[0]['lr']:.1e}")

rmse = (evaluate(test_loader) ** 0.5) * y_std.item()
print(f"test RMSE {rmse:.3f} (noise floor 1.0)")
print("RESULT " + json.dumps({"test_rmse": round(rmse, 4), "good": rmse < 1.2}))
