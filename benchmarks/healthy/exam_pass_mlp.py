# Will a student pass the exam?  A small MLP on tabular data; the outcome is partly luck, so no model can be right always.
import json
import sys

import numpy as np
import torch
from sklearn.metrics import log_loss
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)
rng = np.random.default_rng(seed)

n = 10000
hours = rng.gamma(3, 2, n)
sleep = rng.normal(7, 1.2, n)
attendance = rng.beta(5, 2, n)
previous = rng.normal(60, 12, n)
course = rng.integers(0, 4, n)
logit = (0.35 * (hours - 6) - 0.4 * (sleep - 7.5) ** 2 + 3 * (attendance - 0.7) + 0.05 * (previous - 60)
         + np.array([0.8, 0.2, -0.4, 0.0])[course] * (1 + 0.1 * hours) + 0.4)
p_pass = 1 / (1 + np.exp(-logit))
passed = (rng.random(n) < p_pass).astype(np.float32)

numeric = np.column_stack([hours, sleep, attendance, previous])
order = rng.permutation(n)
tr, va, te = order[:6500], order[6500:8000], order[8000:]
mu, sd = numeric[tr].mean(0), numeric[tr].std(0)
features = np.column_stack([(numeric - mu) / sd, np.eye(4)[course]]).astype(np.float32)
X, y = torch.from_numpy(features), torch.from_numpy(passed)

model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(30):
    model.train()
    train_loss = 0
    perm = torch.from_numpy(rng.permutation(tr))
    for batch in perm.split(64):
        pred = model(X[batch]).squeeze(1)
        loss = loss_fn(pred, y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(batch)
    model.eval()
    with torch.no_grad():
        out = model(X[va]).squeeze(1)
        val_loss = loss_fn(out, y[va]).item()
        val_acc = ((out > 0).float() == y[va]).float().mean().item()
    print(f"epoch {epoch + 1:2d} | train loss {train_loss / len(tr):.4f} | val loss {val_loss:.4f} | val acc {val_acc:.4f}")

with torch.no_grad():
    prob = torch.sigmoid(model(X[te]).squeeze(1)).numpy()
ours, best = log_loss(passed[te], prob), log_loss(passed[te], p_pass[te])
base = log_loss(passed[te], np.full(len(te), passed[tr].mean()))
print(f"test log-loss {ours:.4f}; with the true chances {best:.4f}; with the base rate {base:.4f}")
print("RESULT " + json.dumps({"metric": "test_log_loss", "value": round(float(ours), 4), "good": bool(ours < best + 0.02)}))
