# Predicting the price of a used car with a small neural network
import json
import sys

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

# make the table
n = 8000
makes = ["anker", "borel", "cosmo", "delta", "eris"]
new_price = {"anker": 14000, "borel": 19000, "cosmo": 26000, "delta": 38000, "eris": 70000}
keeps = {"anker": 0.86, "borel": 0.88, "cosmo": 0.85, "delta": 0.82, "eris": 0.90}
df = pd.DataFrame({
    "make": np.random.choice(makes, n, p=[0.3, 0.25, 0.25, 0.15, 0.05]),
    "age": np.random.uniform(0, 15, n),
    "km_per_year": np.random.lognormal(np.log(13000), 0.4, n),
    "power": np.random.uniform(50, 200, n),
    "diesel": np.random.randint(0, 2, n),
})
df["km"] = df.age * df.km_per_year
wear = 0.12 * (df.km / 100000) ** 1.5
log_price = (np.log(df.make.map(new_price)) + df.age * np.log(df.make.map(keeps)) - wear
             + 0.4 * np.log(df.power / 110) - 0.25 * df.diesel * (df.age > 8))
NOISE = 0.15
df["price"] = np.exp(log_price + NOISE * np.random.randn(n))
print(df.head())

X = pd.get_dummies(df[["make", "age", "km", "power", "diesel"]], columns=["make"], dtype=float).values
y = np.log(df["price"].values)          # prices are skewed, so work with the logarithm

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, test_size=0.2, random_state=seed)

x_scaler = StandardScaler().fit(X_train)
y_mean, y_std = y_train.mean(), y_train.std()


def to_tensors(X, y):
    return (torch.tensor(x_scaler.transform(X), dtype=torch.float32),
            torch.tensor((y - y_mean) / y_std, dtype=torch.float32).unsqueeze(1))


train_set = TensorDataset(*to_tensors(X_train, y_train))
X_val_t, y_val_t = to_tensors(X_val, y_val)
X_test_t, y_test_t = to_tensors(X_test, y_test)
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)

model = nn.Sequential(
    nn.Linear(X.shape[1], 64),
    nn.ReLU(),
    nn.Linear(64, 32),
    nn.ReLU(),
    nn.Linear(32, 1),
)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=15, gamma=0.3)

for epoch in range(40):
    model.train()
    train_loss = 0
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(xb)
    train_loss /= len(train_set)
    scheduler.step()

    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(X_val_t), y_val_t).item()
    if (epoch + 1) % 5 == 0:
        print(f"Epoch {epoch + 1}: train loss {train_loss:.4f}, val loss {val_loss:.4f}")

model.eval()
with torch.no_grad():
    rmse = (model(X_test_t) - y_test_t).pow(2).mean().sqrt().item() * y_std
linear = LinearRegression().fit(x_scaler.transform(X_train), y_train)
linear_rmse = np.sqrt(np.mean((linear.predict(x_scaler.transform(X_test)) - y_test) ** 2))
print(f"Test RMSE of log price: network {rmse:.4f}, linear {linear_rmse:.4f}, noise {NOISE}")
print("RESULT " + json.dumps({"metric": "log_price_rmse", "value": round(float(rmse), 4),
                              "good": bool(rmse < 1.1 * NOISE and rmse < linear_rmse)}))
