import json
import sys

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils import data

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
np.random.seed(SEED)
SIGMA_DATA = 0.5


def two_moons(n):
    t = np.pi * np.random.rand(n)
    side = np.random.randint(0, 2, n)
    x = np.where(side == 0, np.cos(t), 1 - np.cos(t))
    y = np.where(side == 0, np.sin(t), 0.5 - np.sin(t))
    points = np.stack([(x - 0.5) / 1.7, (y - 0.25) / 1.0], 1) + 0.03 * np.random.randn(n, 2)
    return torch.tensor(points, dtype=torch.float32)


class InverseLR(optim.lr_scheduler.LRScheduler):
    """Inverse decay with an exponential warm-up."""

    def __init__(self, optimizer, inv_gamma=1.0, power=1.0, warmup=0.0, last_epoch=-1):
        self.inv_gamma, self.power, self.warmup = inv_gamma, power, warmup
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        warmup = 1 - self.warmup ** (self.last_epoch + 1)
        lr_mult = (1 + self.last_epoch / self.inv_gamma) ** -self.power
        return [warmup * base_lr * lr_mult for base_lr in self.base_lrs]


class Denoiser(nn.Module):
    def __init__(self, width=96):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
                                   nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2))

    def forward(self, noised, sigma):
        sigma = sigma[:, None]
        norm = (sigma ** 2 + SIGMA_DATA ** 2).sqrt()
        c_skip, c_out = SIGMA_DATA ** 2 / norm ** 2, sigma * SIGMA_DATA / norm
        inner = self.inner(torch.cat([noised / norm, sigma.log() / 4], 1))
        return c_skip * noised + c_out * inner

    def loss(self, x):
        sigma = (torch.randn(len(x)) * 1.2 - 1.2).exp()
        denoised = self(x + torch.randn_like(x) * sigma[:, None], sigma)
        weight = (sigma ** 2 + SIGMA_DATA ** 2) / (sigma * SIGMA_DATA) ** 2
        return (weight * F.mse_loss(denoised, x, reduction="none").mean(1)).mean()


train_dl = data.DataLoader(data.TensorDataset(two_moons(6400)), 128, shuffle=True, drop_last=True)
held_out = two_moons(4000)
model = Denoiser()
opt = optim.AdamW(model.parameters(), lr=2e-3, betas=(0.95, 0.999), weight_decay=1e-3)
sched = InverseLR(opt, inv_gamma=2000, power=0.5, warmup=0.99)

step = 0
for epoch in range(30):
    running = []
    for (reals,) in train_dl:
        loss = model.loss(reals)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        running.append(loss.item())
        step += 1
    if epoch % 3 == 2:
        print(f"Epoch: {epoch}, step: {step}, lr: {sched.get_last_lr()[0]:.2e}, loss: {np.mean(running):.4f}")

with torch.no_grad():
    value = model.loss(held_out).item()
print("RESULT", json.dumps({"metric": "held_out_loss", "value": value}))
