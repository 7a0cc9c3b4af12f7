"""Conditional neural process on random smooth curves: mean and standard deviation from a few context points.
Modelled after Garnelo et al. 2018 and the CNP notebook."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Normal

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def mlp(*sizes):
    layers = []
    for i in range(len(sizes) - 1):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class CNP(nn.Module):
    def __init__(self, r=64):
        super().__init__()
        self.encoder = mlp(2, 64, 64, r)
        self.decoder = mlp(r + 1, 64, 64, 2)

    def forward(self, xc, yc, xt):
        r = self.encoder(torch.cat([xc, yc], -1)).mean(1, keepdim=True)
        out = self.decoder(torch.cat([r.expand(-1, xt.size(1), -1), xt], -1))
        mu, raw = out.chunk(2, -1)
        return Normal(mu, 0.05 + 0.95 * F.softplus(raw))


def curves(n, points=30):
    x = torch.rand(n, points, 1) * 4 - 2
    a, w, p = 0.5 + torch.rand(n, 1, 1), 1 + torch.rand(n, 1, 1), torch.rand(n, 1, 1) * 6.2832
    slope = 0.5 * torch.randn(n, 1, 1)
    return x, a * torch.sin(w * x + p) + slope * x + 0.05 * torch.randn(n, points, 1)


model = CNP()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
steps = 2500
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=3e-3, total_steps=steps)
vx, vy = curves(500)
for step in range(1, steps + 1):
    x, y = curves(32)
    n_ctx = int(torch.randint(3, 16, (1,)))
    loss = -model(x[:, :n_ctx], y[:, :n_ctx], x).log_prob(y).mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    opt.step()
    sched.step()
    if step % 250 == 0:
        with torch.no_grad():
            dist = model(vx[:, :10], vy[:, :10], vx[:, 10:])
            nll = -dist.log_prob(vy[:, 10:]).mean().item()
            mse = F.mse_loss(dist.mean, vy[:, 10:]).item()
        print(f"step {step}: train nll {loss.item():.4f} new curves nll {nll:.4f} mse {mse:.4f}")
r2 = 1 - mse / vy[:, 10:].var().item()
print("RESULT " + json.dumps({"r2_ten_context": round(r2, 4), "good": r2 > 0.85}))
