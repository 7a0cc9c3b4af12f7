"""Forecast tomorrow's sales of a coffee bar with an LSTM over the last 21 days."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

# ---- six years of daily sales: week, season, and an AR(1) drift of demand
DAYS, WINDOW = 6 * 365, 21
day = np.arange(DAYS)
weekly = np.array([0.0, 4.0, 6.0, 8.0, 22.0, 36.0, -18.0])[day % 7]
season = 15 * np.cos(2 * np.pi * day / 365)
drift = np.zeros(DAYS)
PHI, SHOCK = 0.85, 5.0
shocks = rng.normal(0, SHOCK, DAYS)
for i in range(1, DAYS):
    drift[i] = PHI * drift[i - 1] + shocks[i]
sales = 120 + weekly + season + drift

split_val, split_test = DAYS - 2 * 365, DAYS - 365
mean, std = sales[:split_val].mean(), sales[:split_val].std()
scaled = ((sales - mean) / std).astype("float32")


def windows(start, stop):
    xs = np.stack([scaled[t - WINDOW:t] for t in range(start, stop)])
    return torch.tensor(xs).unsqueeze(-1), torch.tensor(scaled[start:stop]).unsqueeze(1)


x_train, y_train = windows(WINDOW, split_val)
x_val, y_val = windows(split_val, split_test)
x_test, y_test = windows(split_test, DAYS)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)


class SalesLSTM(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1])


model = SalesLSTM()
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=15, gamma=0.4)

for epoch in range(45):
    model.train()
    running = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running += loss.item() * len(xb)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = loss_fn(model(x_val), y_val).item()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:2d}  train {running / len(x_train):.4f}  val {val:.4f}")

model.eval()
with torch.no_grad():
    pred = model(x_test).squeeze(1).numpy() * std + mean
actual = sales[split_test:]
rmse = float(np.sqrt(np.mean((pred - actual) ** 2)))
same_weekday = float(np.sqrt(np.mean((sales[split_test - 7:-7] - actual) ** 2)))
yesterday = float(np.sqrt(np.mean((sales[split_test - 1:-1] - actual) ** 2)))
floor = float(np.sqrt(np.mean(shocks[split_test:] ** 2)))
print(f"rmse {rmse:.2f}  (same weekday last week {same_weekday:.2f}, yesterday {yesterday:.2f}, unforeseeable part {floor:.2f})")
print("RESULT " + json.dumps({"metric": "rmse_over_floor", "value": round(rmse / floor, 4),
                              "good": bool(rmse < 1.25 * floor and rmse < 0.8 * min(same_weekday, yesterday))}))
