import json
import math
import sys

import torch
import torch.nn as nn

MODES = 6
D_STEPS, G_STEPS = 1, 4
G_LR, D_LR = 5e-3, 5e-4
ROUNDS = 400


def real_batch(n):
    k = torch.randint(MODES, (n,)) * (2 * math.pi / MODES)
    return torch.stack([torch.cos(k), torch.sin(k)], dim=1) * 2 + 0.15 * torch.randn(n, 2)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
generator = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
discriminator = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
opt_g = torch.optim.Adam(generator.parameters(), lr=G_LR, betas=(0.5, 0.99))
opt_d = torch.optim.Adam(discriminator.parameters(), lr=D_LR, betas=(0.5, 0.99))
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(96, 1), torch.zeros(96, 1)
for it in range(ROUNDS):
    for _ in range(D_STEPS):
        fake = generator(torch.randn(96, 8)).detach()
        loss_d = bce(discriminator(real_batch(96)), ones) + bce(discriminator(fake), zeros)
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
    for _ in range(G_STEPS):
        loss_g = bce(discriminator(generator(torch.randn(96, 8))), ones)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
    if it % 50 == 0:
        print(f"[{it}/{ROUNDS}] D {loss_d.item():.4f} G {loss_g.item():.4f}")
with torch.no_grad():
    x = generator(torch.randn(1200, 8))
angle = torch.arange(MODES) * (2 * math.pi / MODES)
centres = 2 * torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
dist, which = torch.cdist(x, centres).min(1)
counts = torch.bincount(which[dist < 0.6], minlength=MODES) / 1200
print("share per mode", [round(c, 3) for c in counts.tolist()])
print("RESULT", json.dumps({"metric": "share of modes covered", "value": (counts > 0.03).float().mean().item()}))
