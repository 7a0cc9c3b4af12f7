"""Demand curve from confounded prices by the control-function approach.

Stage 1: a net predicts price from instrument and covariate; what it cannot
predict (the residual) carries the hidden demand shock.
Stage 2: demand = f(price) + g(covariate) + h(residual), the residual being a
constant input (no gradient to stage 1). f is the causal curve.
Stage 1 is meant to leave a third of the variance of the price unexplained.
"""
import json
import sys

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)


def causal(p):
    return -1.5 * np.tanh(1.2 * p) - 0.3 * p


def sample(n):
    z = rng.normal(size=n)                      # cost of freight: shifts the price only
    x = rng.uniform(-1, 1, n)                   # season
    u = rng.normal(size=n)                      # shock seen by sellers, not by us
    price = np.tanh(1.5 * z) + 0.3 * z + 0.4 * np.sin(3 * x) + 0.6 * u + 0.1 * rng.normal(size=n)
    demand = causal(price) + 0.8 * x ** 2 + 1.5 * u + 0.3 * rng.normal(size=n)
    return [torch.tensor(v, dtype=torch.float32) for v in (z, x, price, demand)]


def mlp(d, width=32):
    return nn.Sequential(nn.Linear(d, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))


class Stage2(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.g, self.h = mlp(1), mlp(1), mlp(1)

    def forward(self, p, x, v):
        return (self.f(p[:, None]) + self.g(x[:, None]) + self.h(v[:, None])).squeeze(1)


def train(model, inputs, target, held_inputs, held_target, epochs, lr, name):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-3)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    for e in range(epochs):
        tot = 0.0
        for i in torch.randperm(len(target)).split(128):
            pred = model(*[a[i] for a in inputs]).view(-1)
            loss = nn.functional.mse_loss(pred, target[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
            tot += loss.item() * len(i)
        sched.step()
        if e % 5 == 4:
            with torch.no_grad():
                hl = nn.functional.mse_loss(model(*held_inputs).view(-1), held_target)
            print(f"{name} epoch {e + 1:2d}  mse {tot / len(target):.4f}  held-out {hl.item():.4f}")


z, x, p, d = sample(8000)
zv, xv, pv, dv = sample(2000)

stage1 = mlp(2)
zx, zxv = torch.stack([z, x], 1), torch.stack([zv, xv], 1)
train(stage1, [zx], p, [zxv], pv, 20, 3e-3, "price ")
with torch.no_grad():
    v = p - stage1(zx).squeeze(1)
    vv = pv - stage1(zxv).squeeze(1)
print(f"share of price explained by stage 1: {1 - (v.var() / p.var()).item():.3f}")

stage2 = Stage2()
train(stage2, [p, x, v], d, [pv, xv, vv], dv, 25, 3e-3, "demand")

grid = np.linspace(-1.5, 1.5, 61)
truth = causal(grid) - causal(grid).mean()
with torch.no_grad():
    f = stage2.f(torch.tensor(grid, dtype=torch.float32)[:, None]).squeeze(1).numpy()
rmse = float(np.sqrt(((f - f.mean() - truth) ** 2).mean()))

# ordinary regression on (price, season), blind to the confounding
P, Xs = p.numpy().astype(float), x.numpy().astype(float)
cols = lambda q: np.stack([q ** k for k in range(1, 6)], 1)
A = np.c_[np.ones(len(P)), cols(P), Xs, Xs ** 2]
w = np.linalg.lstsq(A, d.numpy(), rcond=None)[0][1:6]
naive = cols(grid) @ w
naive_rmse = float(np.sqrt(((naive - naive.mean() - truth) ** 2).mean()))
print(f"rmse of the causal curve: control function {rmse:.3f}, plain regression {naive_rmse:.3f}")
print("RESULT " + json.dumps({"metric": "causal_curve_rmse", "value": round(rmse, 4),
                              "good": bool(rmse < 0.12 and rmse < 0.3 * naive_rmse)}))
