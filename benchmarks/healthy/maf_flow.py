"""Masked autoregressive flow (MADE blocks with reversed orderings) for density estimation.
Modelled after Papamakarios et al. 2017 and the small MAF repositories that followed."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
DIM = 4


class MaskedLinear(nn.Linear):
    def __init__(self, mask):
        super().__init__(mask.size(1), mask.size(0))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    def __init__(self, dim=DIM, hidden=48):
        super().__init__()
        d_in = torch.arange(1, dim + 1)
        d_h = torch.arange(hidden) % (dim - 1) + 1
        m1 = (d_h[:, None] >= d_in[None, :]).float()
        m2 = (d_h[:, None] >= d_h[None, :]).float()
        m3 = (d_in[:, None] > d_h[None, :]).float().repeat(2, 1)
        self.net = nn.Sequential(MaskedLinear(m1), nn.Tanh(), MaskedLinear(m2), nn.Tanh(),
                                 MaskedLinear(m3))

    def forward(self, x):
        mu, log_s = self.net(x).chunk(2, dim=1)
        log_s = 2 * torch.tanh(log_s / 2)
        return (x - mu) * torch.exp(-log_s), -log_s.sum(1)


class MAF(nn.Module):
    def __init__(self, n_blocks=5):
        super().__init__()
        self.blocks = nn.ModuleList([MADE() for _ in range(n_blocks)])

    def log_prob(self, x):
        logdet = torch.zeros(len(x))
        for block in self.blocks:
            x, ld = block(x)
            x = x.flip(1)
            logdet = logdet + ld
        return -0.5 * (x ** 2).sum(1) - 0.5 * DIM * math.log(2 * math.pi) + logdet


def simulate(n):
    """x1 normal; the others nonlinear functions of the earlier ones plus noise: density known."""
    e = torch.randn(n, DIM)
    x1 = e[:, 0]
    x2 = 0.8 * x1 ** 2 - 0.8 + 0.5 * e[:, 1]
    x3 = torch.sin(2 * x1) + 0.3 * x2 + 0.4 * e[:, 2]
    x4 = 0.5 * x2 * x3 + 0.4 * e[:, 3]
    x = torch.stack([x1, x2, x3, x4], dim=1)
    sd = torch.tensor([1.0, 0.5, 0.4, 0.4])
    logp = -0.5 * (e ** 2).sum(1) - 0.5 * DIM * math.log(2 * math.pi) - sd.log().sum()
    return x, logp


x_tr, _ = simulate(8000)
x_va, lp_va = simulate(2000)
mean, std = x_tr.mean(0), x_tr.std(0)
x_tr, x_va = (x_tr - mean) / std, (x_va - mean) / std
true_nll = -(lp_va.mean() + std.log().sum()).item()

flow = MAF()
opt = torch.optim.Adam(flow.parameters(), lr=3e-3, weight_decay=1e-6)
epochs = 12
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
for epoch in range(epochs):
    flow.train()
    total = 0.0
    for xb in x_tr[torch.randperm(len(x_tr))].split(128):
        loss = -flow.log_prob(xb).mean()
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        opt.step()
        total += loss.item() * len(xb)
    sched.step()
    flow.eval()
    with torch.no_grad():
        val = -flow.log_prob(x_va).mean().item()
    print(f"epoch {epoch + 1}: train nll {total / len(x_tr):.4f} val nll {val:.4f} (true {true_nll:.4f})")
gap = val - true_nll
print("RESULT " + json.dumps({"nll_gap_nats": round(gap, 4), "good": gap < 0.25}))
