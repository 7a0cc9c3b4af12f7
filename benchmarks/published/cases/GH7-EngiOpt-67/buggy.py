import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
POINTS, T = 12, 60


def designs(n):
    """thickness profile of a profile in millimetres, sampled at 12 stations"""
    s = np.linspace(0, 1, POINTS)
    peak, pos, lift = rng.uniform(20, 60, (n, 1)), rng.uniform(0.25, 0.6, (n, 1)), rng.uniform(0, 15, (n, 1))
    y = 10 + lift * s + peak * np.exp(-((s - pos) / 0.25) ** 2)
    return torch.tensor(y, dtype=torch.float32)


class GaussianDiffusion1D(nn.Module):
    def __init__(self, auto_norm=False, lo=0.0, hi=1.0):
        super().__init__()
        self.auto_norm, self.lo, self.hi = auto_norm, lo, hi
        beta = torch.linspace(1e-3, 0.2, T)
        self.register_buffer("beta", beta)
        self.register_buffer("abar", torch.cumprod(1 - beta, 0))
        self.net = nn.Sequential(nn.Linear(POINTS + 16, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, POINTS))
        self.register_buffer("freq", torch.exp(-math.log(1000.0) * torch.arange(8) / 8))

    def model(self, x, t):
        arg = t.float().unsqueeze(1) * self.freq
        return self.net(torch.cat([x, arg.sin(), arg.cos()], 1))

    def normalize(self, x):
        return (x - self.lo) / (self.hi - self.lo) * 2 - 1 if self.auto_norm else x

    def unnormalize(self, x):
        return (x + 1) / 2 * (self.hi - self.lo) + self.lo if self.auto_norm else x

    def forward(self, x):
        x = self.normalize(x)
        t = torch.randint(T, (len(x),))
        a = self.abar[t].unsqueeze(1)
        noise = torch.randn_like(x)
        return nn.functional.mse_loss(self.model(a.sqrt() * x + (1 - a).sqrt() * noise, t), noise)

    @torch.no_grad()
    def sample(self, n):
        x = torch.randn(n, POINTS)
        for i in reversed(range(T)):
            t = torch.full((n,), i)
            eps = self.model(x, t)
            x = (x - self.beta[i] / (1 - self.abar[i]).sqrt() * eps) / (1 - self.beta[i]).sqrt()
            if i > 0:
                x = x + self.beta[i].sqrt() * torch.randn_like(x)
        return self.unnormalize(x)


def sample_error(fake, real):
    """energy distance in units of the mean spread of the real designs"""
    d = lambda a, b: torch.cdist(a, b).mean()
    return ((2 * d(fake, real) - d(fake, fake) - d(real, real)) / d(real, real)).item()


train, test = designs(3000), designs(600)
diffusion = GaussianDiffusion1D()
optimizer = torch.optim.Adam(diffusion.parameters(), lr=2e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
for epoch in range(40):
    diffusion.train()
    total, parts = 0.0, torch.randperm(len(train)).split(100)
    for idx in parts:
        loss = diffusion(train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    scheduler.step()
    if epoch % 5 == 4:
        diffusion.eval()
        print(f"epoch {epoch + 1} loss {total / len(parts):.4f} sample error {sample_error(diffusion.sample(600), test):.4f}")

diffusion.eval()
print("RESULT", json.dumps({"metric": "sample_error", "value": sample_error(diffusion.sample(600), test)}))
