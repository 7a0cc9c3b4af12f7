# Predict the yield of a field (tonnes per hectare) from weather and soil.
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
np.random.seed(seed)

# 1. data
n = 3000
rain = np.random.gamma(8, 60, n)                 # mm
temp = np.random.normal(17, 3, n)                # degrees
nitrogen = np.random.uniform(0, 200, n)          # kg per hectare
ph = np.random.normal(6.5, 0.6, n)
sand = np.random.beta(2, 3, n) * 100             # percent
signal = (
    7.0
    - ((rain - 520) / 260) ** 2
    - ((temp - 18) / 5) ** 2
    + 2.0 * (1 - np.exp(-nitrogen / 60))
    - 0.9 * (ph - 6.6) ** 2
    - 0.015 * sand * (rain < 420)
)
yield_t = signal + np.random.normal(0, 0.7, n)
X = np.column_stack([rain, temp, nitrogen, ph, sand])

X_trainval, X_test, y_trainval, y_test, _, s_test = train_test_split(X, yield_t, signal, test_size=0.2, random_state=seed)
X_train, X_val, y_train, y_val = train_test_split(X_trainval, y_trainval, test_size=0.2, random_state=seed)

x_scaler = StandardScaler().fit(X_train)
y_mean, y_std = y_train.mean(), y_train.std()


def to_tensors(X, y):
    xs = torch.tensor(x_scaler.transform(X), dtype=torch.float32)
    ys = torch.tensor((y - y_mean) / y_std, dtype=torch.float32).unsqueeze(1)
    return xs, ys


train_loader = DataLoader(TensorDataset(*to_tensors(X_train, y_train)), batch_size=32, shuffle=True)
val_x, val_y = to_tensors(X_val, y_val)
test_x, _ = to_tensors(X_test, y_test)

# 2. model
model = nn.Sequential(
    nn.Linear(5, 48),
    nn.ReLU(),
    nn.Linear(48, 24),
    nn.ReLU(),
    nn.Linear(24, 1),
)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=1e-3)

# 3. training
for epoch in range(50):
    model.train()
    train_loss = 0.0
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(xb)
    train_loss /= len(X_train)

    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(val_x), val_y).item()
    if (epoch + 1) % 5 == 0:
        print(f"Epoch {epoch + 1}/50, train loss: {train_loss:.4f}, val loss: {val_loss:.4f}")

# 4. test
model.eval()
with torch.no_grad():
    pred = model(test_x).squeeze(1).numpy() * y_std + y_mean
r2 = r2_score(y_test, pred)
ceiling = r2_score(y_test, s_test)     # the noise of the weather cannot be predicted
linear = r2_score(y_test, LinearRegression().fit(X_train, y_train).predict(X_test))
print(f"R2 test: {r2:.3f} (linear {linear:.3f}, ceiling {ceiling:.3f})")
print("RESULT " + json.dumps({"metric": "r2", "value": round(float(r2), 4),
                              "good": bool(r2 > ceiling - 0.06 and r2 > linear + 0.15)}))
