# Predict monthly rents of flats with a small neural network (PyTorch).
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

# ---- data -------------------------------------------------------------
n = 6000
area = rng.gamma(9, 8, n) + 15
rooms = np.clip(np.round(area / 25 + rng.normal(0, 0.5, n)), 1, 7)
km_to_centre = rng.gamma(2.2, 2.0, n)
floor = rng.integers(0, 9, n)
lift = rng.random(n) < 0.5
year = rng.integers(1900, 2024, n)
old_charm = np.exp(-((year - 1910) / 15.0) ** 2)
log_rent = (3.6 + 0.78 * np.log(area) - 0.35 * np.tanh(km_to_centre / 4) + 0.002 * (year - 1960)
            + 0.25 * old_charm - np.where(lift, -0.01, 0.04) * floor + 0.03 * rooms)
noise_sd = 0.10
y = log_rent + rng.normal(0, noise_sd, n)
X = np.column_stack([area, rooms, km_to_centre, floor, lift, year]).astype(np.float32)

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, test_size=0.2, random_state=seed)

sx = StandardScaler().fit(X_train)
y_mean, y_std = y_train.mean(), y_train.std()


def to_tensors(X, y):
    return torch.tensor(sx.transform(X), dtype=torch.float32), torch.tensor((y - y_mean) / y_std, dtype=torch.float32).unsqueeze(1)


train_ds = TensorDataset(*to_tensors(X_train, y_train))
val_x, val_y = to_tensors(X_val, y_val)
test_x, _ = to_tensors(X_test, y_test)
loader = DataLoader(train_ds, batch_size=64, shuffle=True)

# ---- model ------------------------------------------------------------
model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)

# ---- training ---------------------------------------------------------
for epoch in range(40):
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
        val_loss = criterion(model(val_x), val_y).item()
    print(f"Epoch {epoch + 1:2d}  train {total / len(train_ds):.4f}  val {val_loss:.4f}")

# ---- evaluation -------------------------------------------------------
with torch.no_grad():
    pred = model(test_x).squeeze(1).numpy() * y_std + y_mean
r2 = r2_score(y_test, pred)
ceiling = 1 - noise_sd ** 2 / y_test.var()
linear = LinearRegression().fit(sx.transform(X_train), y_train).score(sx.transform(X_test), y_test)
print(f"R2 {r2:.4f}   linear {linear:.4f}   ceiling {ceiling:.4f}")
print("RESULT " + json.dumps({"metric": "r2", "value": round(float(r2), 4), "good": bool(r2 > ceiling - 0.025 and r2 > linear)}))
