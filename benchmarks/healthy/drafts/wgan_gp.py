"""Wasserstein GAN with a gradient penalty: the critic's loss is negative and does not fall to zero; double backward."""

import json
import math
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def real(n):
    angle = 2 * math.pi * torch.rand(n)
    return torch.stack([2 * angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


G = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))
D = nn.Sequential(nn.Linear(2, 48), nn.LeakyReLU(0.2), nn.Linear(48, 48), nn.LeakyReLU(0.2), nn.Linear(48, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.0, 0.9))
for step in range(400):
    for _ in range(3):
        x = real(64)
        with torch.no_grad():
            fake = G(torch.randn(64, 4))
        mix = torch.rand(64, 1)
        between = (mix * x + (1 - mix) * fake).requires_grad_(True)
        slope = torch.autograd.grad(D(between).sum(), between, create_graph=True)[0]
        penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
        loss_d = D(fake).mean() - D(x).mean() + penalty
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
    loss_g = -D(G(torch.randn(64, 4))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    if step % 50 == 0:
        print(f"step {step}: critic {loss_d.item():.4f} generator {loss_g.item():.4f}")
with torch.no_grad():
    fake = G(torch.randn(1000, 4))
off = ((fake / torch.tensor([2.0, 1.0])).norm(dim=1) - 1).abs().mean().item()
print("RESULT", json.dumps({"metric": "distance_from_ellipse", "value": round(off, 4), "good": off <= 0.25}))
