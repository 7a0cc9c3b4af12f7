"""One-day-ahead forecast of an hourly series with daily and weekly cycles, 1-D convolution on windows.
Modelled after the "time series forecasting" tutorials (windowing, chronological split)."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

t = np.arange(24 * 7 * 26)
ar = np.zeros(len(t))
for i in range(1, len(t)):
    ar[i] = 0.9 * ar[i - 1] + rng.normal(0, 0.06)
series = (20 + 3 * np.sin(2 * np.pi * t / 24) + 1.0 * np.sin(4 * np.pi * t / 24 + 0.7)
          + 1.5 * np.sin(2 * np.pi * t / 168) + 2 * ar + rng.normal(0, 0.15, len(t)))

WINDOW, HORIZON = 168, 24
n_train, n_val = int(0.7 * len(t)), int(0.15 * len(t))
mean, std = series[:n_train].mean(), series[:n_train].std()
scaled = torch.tensor((series - mean) / std, dtype=torch.float32)


class Windows(Dataset):
    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values) - WINDOW - HORIZON + 1

    def __getitem__(self, i):
        return self.values[i:i + WINDOW], self.values[i + WINDOW:i + WINDOW + HORIZON]


train_dl = DataLoader(Windows(scaled[:n_train]), batch_size=64, shuffle=True)
val_dl = DataLoader(Windows(scaled[n_train:n_train + n_val]), batch_size=256)
test_dl = DataLoader(Windows(scaled[n_train + n_val:]), batch_size=256)


class ConvForecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, 16, 7, stride=2, padding=3), nn.ReLU(),
            nn.Conv1d(16, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(16 * WINDOW // 4, HORIZON)

    def forward(self, x):
        return self.head(self.features(x.unsqueeze(1)))


model = ConvForecaster()
criterion = nn.MSELoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.4)


def evaluate(loader):
    model.eval()
    with torch.no_grad():
        return np.mean([criterion(model(x), y).item() for x, y in loader])


for epoch in range(12):
    model.train()
    losses = []
    for x, y in train_dl:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    print(f"epoch {epoch + 1}: train {np.mean(losses):.4f} val {evaluate(val_dl):.4f}")

model.eval()
with torch.no_grad():
    mse = evaluate(test_dl)
    naive = np.mean([criterion(x[:, -24:], y).item() for x, y in test_dl])
skill = float(1 - mse / naive)
print(f"test mse {mse:.4f}, seasonal naive {naive:.4f}")
print("RESULT " + json.dumps({"skill_vs_seasonal_naive": round(skill, 4), "good": bool(skill > 0.35)}))
