# Predict tomorrow's temperature from the last 21 days with an LSTM.
# The weather is made: yearly cycle + AR(2) weather + daily shocks with sd 2 degrees,
# so nobody can forecast better than an RMSE of 2.0.
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# ---- data -------------------------------------------------------------
days = 365 * 16
season = 10 + 9 * np.sin(2 * np.pi * np.arange(days) / 365.25 - 1.8)
weather = np.zeros(days)
for t in range(2, days):
    weather[t] = 1.1 * weather[t - 1] - 0.3 * weather[t - 2] + 2.0 * np.random.randn()
temp = (season + weather).astype(np.float32)

n_train, n_val = 365 * 11, 365 * 2
mean, std = temp[:n_train].mean(), temp[:n_train].std()
scaled = (temp - mean) / std
phase = 2 * np.pi * np.arange(days) / 365.25
features = np.stack([scaled, np.sin(phase), np.cos(phase)], 1).astype(np.float32)

WINDOW = 21


def make_windows(start, end):
    xs, ys = [], []
    for t in range(start + WINDOW, end):
        xs.append(features[t - WINDOW:t])
        ys.append(scaled[t])
    return torch.tensor(np.array(xs)), torch.tensor(np.array(ys))


x_train, y_train = make_windows(0, n_train)
x_val, y_val = make_windows(n_train, n_train + n_val)
x_test, y_test = make_windows(n_train + n_val, days)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)


# ---- model ------------------------------------------------------------
class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(input_size=3, hidden_size=24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.out(h[:, -1]).squeeze(1)


model = Forecaster()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.3)

# ---- training ---------------------------------------------------------
for epoch in range(20):
    model.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = criterion(model(x_val), y_val).item()
    print(f"epoch {epoch + 1}: train {total / len(x_train):.4f} val {val:.4f}")

# ---- test -------------------------------------------------------------
model.eval()
with torch.no_grad():
    rmse = (model(x_test) - y_test).pow(2).mean().sqrt().item() * std
persistence = float((x_test[:, -1, 0] - y_test).pow(2).mean().sqrt() * std)
print(f"test RMSE {rmse:.3f} degrees, persistence {persistence:.3f}, floor 2.0")
print("RESULT " + json.dumps({"metric": "test_rmse_degrees (floor 2.0)", "value": round(float(rmse), 3),
                              "good": bool(rmse < 2.12 and rmse < 0.95 * persistence)}))
