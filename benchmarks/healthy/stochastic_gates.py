"""Stochastic gates (Yamada et al.) find the five useful inputs of thirty; a fresh network is refitted on them."""
import json
import math
import sys

import torch
import torch.nn.functional as F
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
D, USEFUL, NOISE = 30, 5, 0.3


def make(n):
    x = torch.randn(n, D)
    f = x[:, 0] + 1.2 * torch.sin(1.5 * x[:, 1]) + 0.8 * x[:, 2] * x[:, 3] + 1.2 * torch.cos(1.5 * x[:, 4])
    return x, f + NOISE * torch.randn(n), f


class StochasticGates(nn.Module):
    """One gate per input, z = clamp(mu + sigma * noise, 0, 1); the penalty is the expected number of open gates."""

    def __init__(self, d, sigma=0.5):
        super().__init__()
        self.mu = nn.Parameter(torch.ones(d))
        self.sigma = sigma

    def forward(self, x):
        mu = self.mu
        if self.training:
            mu = mu + self.sigma * torch.randn_like(x)
        return x * mu.clamp(0, 1)

    def expected_open(self):
        return 0.5 * (1 + torch.erf(self.mu / self.sigma / math.sqrt(2))).sum()


def mlp(h=64):
    return nn.Sequential(nn.Linear(D, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU(), nn.Linear(h, 1))


(xtr, ytr, _), (xva, yva, _), (xte, yte, fte) = make(10000), make(1500), make(3000)
B, LAMBDA = 100, 0.03


def val_mse(net):
    net.eval()
    with torch.no_grad():
        return F.mse_loss(net(xva).squeeze(1), yva).item()


# stage 1: select inputs
gates, body = StochasticGates(D), mlp()
net = nn.Sequential(gates, body)
opt = torch.optim.Adam([{"params": body.parameters(), "lr": 3e-3}, {"params": gates.parameters(), "lr": 1e-2}])
for epoch in range(20):
    net.train()
    penalty = LAMBDA * min(max(epoch - 3, 0) / 4, 1.0)      # fit first, then start to close gates
    tot = 0.0
    for idx in torch.randperm(len(xtr)).split(B):
        fit = F.mse_loss(net(xtr[idx]).squeeze(1), ytr[idx])
        loss = fit + penalty * gates.expected_open()
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(idx)
    print(f"select epoch {epoch + 1} penalty {penalty:.4f} objective {tot / len(xtr):.4f} val mse {val_mse(net):.4f} open gates {int((gates.mu > 0).sum())}")
chosen = torch.nonzero(gates.mu > 0).flatten()
keep = torch.zeros(D).index_fill_(0, chosen, 1.0)

# stage 2: refit a fresh network on the chosen inputs
print("chosen inputs", chosen.tolist())
net = mlp()
opt = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-3)
REFIT = 32
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, REFIT * len(xtr) // B)
xtr, xva, xte = xtr * keep, xva * keep, xte * keep
for epoch in range(REFIT):
    net.train()
    tot = 0.0
    for idx in torch.randperm(len(xtr)).split(B):
        loss = F.mse_loss(net(xtr[idx]).squeeze(1), ytr[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item() * len(idx)
    print(f"refit epoch {epoch + 1} train mse {tot / len(xtr):.4f} val mse {val_mse(net):.4f}")
with torch.no_grad():
    mse = F.mse_loss(net(xte).squeeze(1), yte).item()
floor = F.mse_loss(fte, yte).item()
right = chosen.tolist() == list(range(USEFUL))
print(f"test mse {mse:.4f} (noise floor {floor:.4f}, variance {yte.var():.3f})")
print("RESULT " + json.dumps({"test_mse": round(mse, 4), "good": bool(mse < 1.2 * floor and right)}))
