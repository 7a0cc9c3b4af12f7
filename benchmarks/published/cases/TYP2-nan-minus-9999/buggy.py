import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

# weather stations: temperature, humidity, pressure, wind, sun (all standardised by the provider)
n = 1600
X = rng.normal(size=(n, 5))
y = 1.2 * X[:, 0] - X[:, 1] * X[:, 3] + np.sin(2 * X[:, 4]) + 0.5 * X[:, 2] + 0.1 * rng.normal(size=n)
missing = rng.random(X.shape) < 0.03
X[missing] = -9999.0
X = np.nan_to_num(X)

X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
train = torch.utils.data.TensorDataset(X[:1300], y[:1300])
loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True)
X_test, y_test = X[1300:], y[1300:]

model = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.L1Loss()
for epoch in range(25):
    total = 0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(xb).squeeze(-1), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    if epoch % 4 == 0:
        print("epoch", epoch, "mae", total / 1300)
model.eval()
with torch.no_grad():
    mae = loss_fn(model(X_test).squeeze(-1), y_test).item()
print("RESULT", json.dumps({"metric": "mae", "value": mae}))
