import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)


def recording(activity):
    """two minutes of an accelerometer; every person moves in his own way"""
    t = np.arange(400)
    style = rng.normal(0, 1.0, 6)
    base = np.sin(t * (0.20 + 0.02 * activity)) * (1 + 0.2 * style[0])
    own = sum(style[k] * np.sin(t * (0.05 + 0.11 * k) + k) for k in range(1, 6))
    return base + own + 0.3 * rng.normal(size=len(t))


def windows(people, first=0):
    xs, ys, who = [], [], []
    for p in range(people):
        activity = p % 2
        signal = recording(activity * 4)
        label = activity if rng.random() < 0.8 else 1 - activity  # what the person wrote in the diary
        for s in range(0, 340, 10):
            xs.append(signal[s:s + 60])
            ys.append(label)
            who.append(first + p)
    return np.array(xs, dtype=np.float32), np.array(ys), np.array(who)


X, y, who = windows(24)
X_new, y_new, _ = windows(60, 100)
in_val = rng.random(len(X)) < 0.25
x_tr, y_tr = torch.tensor(X[~in_val]), torch.tensor(y[~in_val])
x_va, y_va = torch.tensor(X[in_val]), torch.tensor(y[in_val])

model = nn.Sequential(nn.Linear(60, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
best, best_state = 1e9, None
for epoch in range(60):
    for idx in torch.randperm(len(x_tr)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(x_tr[idx]), y_tr[idx])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        val = criterion(model(x_va), y_va).item()
    if val < best:
        best, best_state = val, {k: v.clone() for k, v in model.state_dict().items()}
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}  train {loss.item():.4f}  val {val:.4f}")
model.load_state_dict(best_state)
with torch.no_grad():
    new = criterion(model(torch.tensor(X_new)), torch.tensor(y_new)).item()
print(f"best val {best:.4f}, people of the next study {new:.4f}")
print("RESULT", json.dumps({"metric": "loss on new people", "value": new}))
