"""Kolmogorov-Arnold network with cubic B-spline edges (efficient-kan style) on a symbolic formula.
Modelled after Liu et al. 2024 and the efficient-kan repository."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class KANLayer(nn.Module):
    def __init__(self, n_in, n_out, grid_size=6, order=3, lo=-1.5, hi=1.5):
        super().__init__()
        h = (hi - lo) / grid_size
        knots = torch.arange(-order, grid_size + order + 1) * h + lo
        self.register_buffer("grid", knots)
        self.order = order
        self.base = nn.Linear(n_in, n_out)
        self.spline = nn.Parameter(0.1 / math.sqrt(n_in) * torch.randn(n_out, n_in, grid_size + order))

    def basis(self, x):
        x = x.unsqueeze(-1)
        g = self.grid
        b = ((x >= g[:-1]) & (x < g[1:])).to(x.dtype)
        for k in range(1, self.order + 1):
            left = (x - g[:-(k + 1)]) / (g[k:-1] - g[:-(k + 1)]) * b[..., :-1]
            right = (g[k + 1:] - x) / (g[k + 1:] - g[1:-k]) * b[..., 1:]
            b = left + right
        return b

    def forward(self, x):
        spl = F.linear(self.basis(x).flatten(1), self.spline.flatten(1))
        return self.base(F.silu(x)) + spl


class KAN(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(KANLayer(a, b) for a, b in zip(sizes[:-1], sizes[1:]))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x.squeeze(-1)


def formula(x):
    return torch.exp(0.6 * torch.sin(math.pi * x[:, 0]) + 0.5 * x[:, 1] ** 2) + 0.5 * x[:, 2] * x[:, 3]


x_tr, x_te = torch.rand(4000, 4) * 2 - 1, torch.rand(1000, 4) * 2 - 1
y_tr = formula(x_tr) + 0.02 * torch.randn(4000)
y_te = formula(x_te)
mu, sd = y_tr.mean(), y_tr.std()
y_tr, y_te = (y_tr - mu) / sd, (y_te - mu) / sd

model = KAN([4, 6, 1])
opt = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-4)
epochs = 20
sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.9)
for epoch in range(epochs):
    model.train()
    total = 0.0
    for idx in torch.randperm(len(x_tr)).split(64):
        loss = F.mse_loss(model(x_tr[idx]), y_tr[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
    sched.step()
    if epoch % 2 == 1:
        model.eval()
        with torch.no_grad():
            rmse = F.mse_loss(model(x_te), y_te).sqrt().item()
        print(f"epoch {epoch + 1}: train rmse {(total / len(x_tr)) ** 0.5:.4f} test rmse {rmse:.4f}")
r2 = 1 - rmse ** 2 / y_te.var().item()
print("RESULT " + json.dumps({"test_r2": round(r2, 5), "good": r2 > 0.99}))
