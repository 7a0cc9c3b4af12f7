import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# living area, rooms, age, distance (already standardised) -> price in dollars
X = np.random.randn(1500, 4)
price = 280_000 + 70_000 * X[:, 0] + 22_000 * X[:, 1] * X[:, 0] - 30_000 * np.abs(X[:, 2]) + 8_000 * np.random.randn(1500)
x = torch.tensor(X).float()
y = torch.tensor(price).float().reshape(-1, 1)
x_train, y_train, x_val, y_val = x[:1200], y[:1200], x[1200:], y[1200:]
mean, std = 0.0, 1.0
train_dl = DataLoader(TensorDataset(x_train, (y_train - mean) / std), batch_size=32, shuffle=True)


class HousePriceModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.stack = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        return self.stack(x)


model = HousePriceModel()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(20):
    model.train()
    epoch_loss = 0
    for xb, yb in train_dl:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    model.eval()
    with torch.no_grad():
        pred = model(x_val) * std + mean
        rmse = torch.sqrt(torch.mean((pred - y_val) ** 2)).item()
    print(f"epoch {epoch + 1}: train loss {epoch_loss / len(train_dl):.4g}, val RMSE ${rmse:,.0f}")
r2 = 1 - rmse ** 2 / y_val.var(unbiased=False).item()
print("RESULT", json.dumps({"metric": "r2", "value": r2}))
