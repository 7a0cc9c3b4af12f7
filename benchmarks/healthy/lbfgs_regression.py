"""A small tanh network for the Friedman #1 function, fitted with L-BFGS."""

import json
import sys

import torch
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_friedman1(n_samples=2000, noise=1.0, random_state=seed)
parts = train_test_split(X, y, test_size=0.25, random_state=seed)
x, x_val, y, y_val = (torch.tensor(a, dtype=torch.float32) for a in parts)
x, x_val = (x - x.mean(0)) / x.std(0), (x_val - x.mean(0)) / x.std(0)
mean, std = y.mean(), y.std()
y, y_val = (y - mean) / std, (y_val - mean) / std

model = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1))
loss_fn = nn.MSELoss()
optimizer = torch.optim.LBFGS(model.parameters(), lr=1, max_iter=10, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = loss_fn(model(x).squeeze(1), y) + 1e-4 * sum(p.pow(2).sum() for p in model.parameters())
    loss.backward()
    return loss


for step in range(15):
    model.train()
    loss = optimizer.step(closure)
    model.eval()
    with torch.no_grad():
        val_mse = loss_fn(model(x_val).squeeze(1), y_val)
    if step % 5 == 4:
        print(f"step {step + 1}: loss {loss.item():.4f}, val mse {val_mse.item():.4f}")

r2 = 1 - (val_mse / y_val.var()).item()
print("RESULT", json.dumps({"metric": "val_r2", "value": round(r2, 4), "good": r2 >= 0.9}))
