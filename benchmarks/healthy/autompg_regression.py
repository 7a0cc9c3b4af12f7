"""Predict fuel consumption (Auto MPG) with a small MLP, mean absolute error in mpg.
Modelled after the classic "Basic regression: predict fuel efficiency" tutorial, in PyTorch."""
import copy
import json
import sys

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
from mlxtend.data import autompg_data
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
rng = np.random.default_rng(SEED)

X, y = autompg_data()
df = pd.DataFrame(X).apply(pd.to_numeric, errors="coerce")
df = df.iloc[:, :7]
df.columns = ["cyl", "disp", "hp", "weight", "accel", "year", "origin"]
df["mpg"] = y
df = df.dropna().reset_index(drop=True)
df = pd.get_dummies(df, columns=["origin"], dtype=float)

order = rng.permutation(len(df))
n_test, n_val = 80, 60
test, val, train = (df.iloc[order[:n_test]], df.iloc[order[n_test:n_test + n_val]],
                    df.iloc[order[n_test + n_val:]])
features = [c for c in df.columns if c != "mpg"]
mean, std = train[features].mean(), train[features].std()
ymean, ystd = train["mpg"].mean(), train["mpg"].std()


def to_tensors(part):
    x = torch.tensor(((part[features] - mean) / std).values, dtype=torch.float32)
    t = torch.tensor(((part["mpg"] - ymean) / ystd).values, dtype=torch.float32).unsqueeze(1)
    return x, t


xtr, ytr = to_tensors(train)
xva, yva = to_tensors(val)
xte, yte = to_tensors(test)
loader = DataLoader(TensorDataset(xtr, ytr), batch_size=32, shuffle=True)

model = nn.Sequential(nn.Linear(len(features), 32), nn.ReLU(),
                      nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
loss_fn = nn.MSELoss()
opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)

best, best_state, patience = float("inf"), None, 0
for epoch in range(400):
    model.train()
    running = 0.0
    for xb, yb in loader:
        loss = loss_fn(model(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        running += loss.item() * len(xb)
    model.eval()
    with torch.no_grad():
        vloss = loss_fn(model(xva), yva).item()
    if vloss < best - 1e-4:
        best, best_state, patience = vloss, copy.deepcopy(model.state_dict()), 0
    else:
        patience += 1
    if epoch % 20 == 0:
        print(f"{epoch:3d} train mse {running / len(xtr):.4f} val mse {vloss:.4f}")
    if patience >= 60:
        print("stop at", epoch)
        break

model.load_state_dict(best_state)
model.eval()
with torch.no_grad():
    pred = model(xte)
    mae = ((pred - yte).abs().mean() * ystd).item()
    r2 = 1 - ((pred - yte) ** 2).sum().item() / ((yte - yte.mean()) ** 2).sum().item()
print(f"test MAE {mae:.2f} mpg, R2 {r2:.3f}")
print("RESULT " + json.dumps({"test_mae_mpg": round(mae, 3), "good": bool(mae < 2.6)}))
