import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def batch(n):
    cond = torch.rand(n, 1) * 2 - 1
    side = (torch.rand(n, 1) < 0.5).float() * 2 - 1
    spec = torch.cat([torch.sin(2 * cond) + side, torch.cos(2 * cond) - side], 1) + 0.1 * torch.randn(n, 2)
    return cond, spec


class Generator(nn.Module):
    def __init__(self, z=4):
        super().__init__()
        self.z = z
        self.net = nn.Sequential(nn.Linear(1 + z, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, cond):
        return self.net(torch.cat([cond, torch.randn(len(cond), self.z)], 1))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))

    def forward(self, spec, cond):
        return self.net(torch.cat([spec, cond], 1))


class Image2Reverb:
    def __init__(self, l1=0.02):
        self.g, self.d = Generator(), Discriminator()
        self.g_opt = torch.optim.Adam(self.g.parameters(), lr=1e-3, betas=(0.5, 0.99))
        self.d_opt = torch.optim.Adam(self.d.parameters(), lr=1e-3, betas=(0.5, 0.99))
        self.l1 = l1

    def training_step(self, cond, spec):
        fake_spec = self.g(cond)
        d_fake = self.d(fake_spec.detach(), cond)
        d_real = self.d(spec, cond)
        d_loss = F.mse_loss(d_real, torch.ones_like(d_real)) + F.mse_loss(d_fake, torch.zeros_like(d_fake))
        self.d_opt.zero_grad()
        d_loss.backward()
        self.d_opt.step()

        d_fake2 = self.d(fake_spec.detach(), cond)
        g_loss1 = F.mse_loss(d_fake2, torch.ones_like(d_fake2))
        g_loss2 = self.l1 * F.l1_loss(fake_spec, spec)
        self.g_opt.zero_grad()
        (g_loss1 + g_loss2).backward()
        self.g_opt.step()
        return d_loss.item(), g_loss1.item(), g_loss2.item()


def energy_distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


m = Image2Reverb()
for step in range(1500):
    d, g1, g2 = m.training_step(*batch(128))
    if step % 250 == 0:
        print(f"step {step} D {d:.3f} G1 {g1:.3f} G2 {g2:.3f}")

m.g.eval()
with torch.no_grad():
    cond, real = batch(1500)
    fake = m.g(cond)
    score = energy_distance(torch.cat([cond, fake], 1), torch.cat([cond, real], 1))
print("RESULT", json.dumps({"metric": "energy distance", "value": score}))
