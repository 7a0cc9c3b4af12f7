"""A GAN that learns a noisy ring in the plane."""

import json
import math
import sys

import torch
from torch import nn

STEPS, BATCH, LATENT = 2500, 64, 8


def sample_ring(n):
    angle = 2 * math.pi * torch.rand(n)
    ring = torch.stack([angle.cos(), angle.sin()], dim=1)
    return ring + 0.05 * torch.randn(n, 2)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
netG = nn.Sequential(nn.Linear(LATENT, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
netD = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
criterion = nn.BCEWithLogitsLoss()
optimizerG = torch.optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
real_label = torch.ones(BATCH, 1)
fake_label = torch.zeros(BATCH, 1)

for step in range(1, STEPS + 1):
    # Update D: tell real from generated.
    real = sample_ring(BATCH)
    fake = netG(torch.randn(BATCH, LATENT))
    netD.zero_grad()
    errD = criterion(netD(real), real_label) + criterion(netD(fake.detach()), fake_label)
    errD.backward()
    optimizerD.step()

    # Update G: make D call the generated points real.
    netG.zero_grad()
    errG = criterion(netD(fake), real_label)
    errG.backward()
    optimizerG.step()

    if step % 250 == 0:
        netG.eval()
        with torch.no_grad():
            radius = netG(torch.randn(2000, LATENT)).norm(dim=1)
        netG.train()
        print(
            f"[{step}/{STEPS}] Loss_D: {errD.item():.4f} Loss_G: {errG.item():.4f}"
            f" radius: {radius.mean():.3f} +- {radius.std():.3f}"
        )

value = radius.mean().item()
print("RESULT", json.dumps({"metric": "sample_radius", "value": round(value, 4), "good": 0.7 <= value <= 1.1}))
