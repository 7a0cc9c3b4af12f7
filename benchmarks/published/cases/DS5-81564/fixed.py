# CNN regression: estimate the filling level of a cell from a noisy image
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def cell_images(n):
    level = np.clip(0.8 + 0.12 * np.random.randn(n), 0.3, 1.2)
    grid = np.arange(16)
    rows = np.random.uniform(5, 10, (n, 1, 1))
    cols = np.random.uniform(5, 10, (n, 1, 1))
    dist = (grid[None, :, None] - rows) ** 2 + (grid[None, None, :] - cols) ** 2
    blob = level[:, None, None] * np.exp(-dist / 14)
    image = blob + 0.6 * np.random.randn(n, 16, 16)
    return (torch.tensor(image[:, None], dtype=torch.float32),
            torch.tensor(level[:, None], dtype=torch.float32))


class LevelNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 1))
        nn.init.constant_(self.head[-1].bias, 0.8)

    def forward(self, x):
        return self.head(self.features(x))


train_x, train_y = cell_images(4000)
val_x, val_y = cell_images(1000)
loader = DataLoader(TensorDataset(train_x, train_y), batch_size=64, shuffle=True)
model = LevelNet()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
criterion = nn.MSELoss()
for epoch in range(7):
    model.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    model.eval()
    with torch.no_grad():
        pred = model(val_x)
    val = criterion(pred, val_y).item()
    slope = np.polyfit(val_y[:, 0].numpy(), pred[:, 0].numpy(), 1)[0]
    r2 = 1 - val / val_y.var().item()
    print(f"epoch {epoch + 1}: loss {total / len(train_x):.5f}  val {val:.5f}  R2 {r2:.3f}  slope {slope:.3f}")
print("RESULT", json.dumps({"metric": "val_mse", "value": val}))
