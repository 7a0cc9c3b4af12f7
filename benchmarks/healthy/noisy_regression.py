"""Regression where most of the variance is irreducible noise."""

import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_data(n):
    x = torch.randn(n, 5)
    y = x[:, :1] + 2 * torch.randn(n, 1)
    return TensorDataset(x, y)


def epoch_mse(model, dataset):
    x, y = dataset.tensors
    model.eval()
    with torch.no_grad():
        return nn.functional.mse_loss(model(x), y).item()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
train_data, val_data = make_data(4000), make_data(1000)
train_loader = DataLoader(train_data, batch_size=64, shuffle=True)

model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1))
mse = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

for epoch in range(15):
    model.train()
    for x, y in train_loader:
        pred = model(x)
        loss = mse(pred, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    train_mse, val_mse = epoch_mse(model, train_data), epoch_mse(model, val_data)
    print(f"Epoch {epoch + 1}: train MSE {train_mse:.3f}, val MSE {val_mse:.3f}")

variance = val_data.tensors[1].var().item()
print(f"variance of y {variance:.3f}, noise floor 4.000")
print("RESULT", json.dumps({"metric": "val_mse", "value": round(val_mse, 4), "good": 3.5 <= val_mse <= 4.6}))
