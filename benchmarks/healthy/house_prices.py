"""House prices: a small MLP on standardised columns, early stopping, the best weights are kept."""
import json
import os
import sys
import tempfile

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
BATCH_SIZE = 64
EPOCHS = 40
PATIENCE = 8
LR = 1e-3

np.random.seed(SEED)
torch.manual_seed(SEED)


def load_data(n=10000):
    area = np.exp(np.random.normal(4.7, 0.35, n))
    rooms = np.clip(np.round(area / 28 + np.random.normal(0, 0.8, n)), 1, None)
    age = np.random.gamma(2.0, 18.0, n)
    lat, lon = np.random.uniform(-1, 1, (2, n))
    garden = np.where(np.random.rand(n) < 0.4, np.random.gamma(2.0, 90.0, n), 0.0)
    floor = np.random.randint(0, 9, n)
    lift = (np.random.rand(n) < 0.5).astype(float)
    income = np.random.lognormal(10.3, 0.4, n) * (1 + 0.3 * lat)
    crime = np.random.gamma(1.5, 2.0, n)
    km = np.hypot(lat - 0.2, lon + 0.1) * 12
    heating = np.random.randint(0, 3, n)
    log_price = (8.0 + 0.85 * np.log(area) - 0.05 * km + 0.25 * np.exp(-((lat + 0.5) ** 2 + (lon - 0.5) ** 2) / 0.1)
                 - 0.004 * age + 0.00005 * (age - 40) ** 2 + 0.04 * np.log1p(garden) + 0.3 * np.log(income / 30000)
                 - 0.03 * crime - 0.05 * floor * (1 - lift) + 0.03 * floor * lift)
    price = np.exp(log_price + np.random.normal(0, 0.12, n))
    X = np.column_stack([area, rooms, age, lat, lon, garden, floor, lift, income, crime, heating == 1, heating == 2])
    return X, price, np.exp(log_price)


X, price, clean = load_data()
idx_train, idx_test = train_test_split(np.arange(len(X)), test_size=0.2, random_state=SEED)
idx_train, idx_val = train_test_split(idx_train, test_size=0.2, random_state=SEED)

x_scaler, y_scaler = StandardScaler(), StandardScaler()
X_train = x_scaler.fit_transform(X[idx_train])
X_val, X_test = x_scaler.transform(X[idx_val]), x_scaler.transform(X[idx_test])
y_train = y_scaler.fit_transform(np.log(price[idx_train]).reshape(-1, 1))
y_val = y_scaler.transform(np.log(price[idx_val]).reshape(-1, 1))


def to_tensor(a):
    return torch.tensor(a, dtype=torch.float32)


train_loader = DataLoader(TensorDataset(to_tensor(X_train), to_tensor(y_train)), batch_size=BATCH_SIZE, shuffle=True)
val_loader = DataLoader(TensorDataset(to_tensor(X_val), to_tensor(y_val)), batch_size=512)

model = nn.Sequential(
    nn.Linear(X.shape[1], 64),
    nn.ReLU(),
    nn.Linear(64, 32),
    nn.ReLU(),
    nn.Linear(32, 1),
)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=LR, weight_decay=1e-5)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=4)
checkpoint = os.path.join(tempfile.mkdtemp(), "best.pt")

best_val, bad_epochs = float("inf"), 0
for epoch in range(1, EPOCHS + 1):
    model.train()
    train_loss = 0.0
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(xb)
    train_loss /= len(train_loader.dataset)

    model.eval()
    val_loss = 0.0
    with torch.no_grad():
        for xb, yb in val_loader:
            val_loss += criterion(model(xb), yb).item() * len(xb)
    val_loss /= len(val_loader.dataset)
    scheduler.step(val_loss)
    print(f"Epoch {epoch:3d} | train {train_loss:.4f} | val {val_loss:.4f} | lr {optimizer.param_groups[0]['lr']:.1e}")

    if val_loss < best_val:
        best_val, bad_epochs = val_loss, 0
        torch.save(model.state_dict(), checkpoint)
    else:
        bad_epochs += 1
        if bad_epochs >= PATIENCE:
            print(f"Early stopping at epoch {epoch}")
            break

model.load_state_dict(torch.load(checkpoint))
model.eval()
with torch.no_grad():
    pred = np.exp(y_scaler.inverse_transform(model(to_tensor(X_test)).numpy())).ravel()
r2 = r2_score(np.log(price[idx_test]), np.log(pred))
r2_max = r2_score(np.log(price[idx_test]), np.log(clean[idx_test]))
print(f"Test MAE {mean_absolute_error(price[idx_test], pred):.0f}, R2 of the log price {r2:.4f} (the noise leaves {r2_max:.4f})")
print("RESULT", json.dumps({"metric": "R2", "value": round(float(r2), 4), "good": bool(r2 >= r2_max - 0.02)}))
