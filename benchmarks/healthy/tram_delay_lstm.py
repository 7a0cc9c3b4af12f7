# Predict a tram's delay at the next stop from the last 20 stops (LSTM)
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)
rng = np.random.default_rng(seed)

SEQ_LEN, NOISE = 20, 0.5


def simulate_day(stops=150):
    """Delay in minutes; crowding pushes it up two stops later, the driver catches up slowly."""
    crowd, delay = np.zeros(stops), np.zeros(stops)
    for t in range(2, stops):
        crowd[t] = 0.8 * crowd[t - 1] + rng.normal(0, 0.6)
        delay[t] = 0.7 * delay[t - 1] + 0.9 * np.tanh(crowd[t - 2]) + 0.3 * max(crowd[t - 1], 0) + rng.normal(0, NOISE)
    return np.stack([delay, crowd], 1).astype(np.float32)


def windows(days):
    X, y = [], []
    for d in days:
        for t in range(SEQ_LEN, len(d), 4):
            X.append(d[t - SEQ_LEN:t])
            y.append(d[t, 0])
    return np.stack(X), np.array(y, dtype=np.float32)


days = [simulate_day() for _ in range(130)]
train_X, train_y = windows(days[:90])
val_X, val_y = windows(days[90:105])
test_X, test_y = windows(days[105:])          # whole days are held out
mean, std = train_X.mean((0, 1)), train_X.std((0, 1))


def scale(X, y):
    return torch.tensor((X - mean) / std), torch.tensor((y - mean[0]) / std[0])


class DelayLSTM(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(2, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1]).squeeze(-1)


train_loader = DataLoader(TensorDataset(*scale(train_X, train_y)), batch_size=64, shuffle=True)
vx, vy = scale(val_X, val_y)
model = DelayLSTM()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.3)
criterion = nn.MSELoss()

for epoch in range(22):
    model.train()
    running = 0.0
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running += loss.item()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = criterion(model(vx), vy).item()
    print(f"epoch {epoch + 1}: train {running / len(train_loader):.4f}  val {val:.4f}")

tx, _ = scale(test_X, test_y)
with torch.no_grad():
    pred = model(tx).numpy() * std[0] + mean[0]
rmse = float(np.sqrt(np.mean((pred - test_y) ** 2)))
last = float(np.sqrt(np.mean((test_X[:, -1, 0] - test_y) ** 2)))
print(f"test RMSE {rmse:.3f} min, last-value baseline {last:.3f}, noise {NOISE}")
print("RESULT " + json.dumps({"metric": "rmse_minutes", "value": round(rmse, 4), "good": bool(rmse < 1.1 * NOISE and rmse < 0.8 * last)}))
