"""Noise-contrastive estimation: an unnormalised energy model learns a 2-D density together with its normaliser."""
import json
import math
import sys

import torch
from torch import nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# data: six Gaussians on a circle
MODES, RADIUS, WIDTH = 6, 2.0, 0.4
angles = torch.arange(MODES) * 2 * math.pi / MODES
centres = RADIUS * torch.stack([angles.cos(), angles.sin()], 1)


def sample_data(n):
    return centres[torch.randint(0, MODES, (n,))] + WIDTH * torch.randn(n, 2)


def log_data(x):
    d2 = ((x[:, None] - centres) ** 2).sum(-1)
    return torch.logsumexp(-d2 / (2 * WIDTH ** 2), 1) - math.log(MODES * 2 * math.pi * WIDTH ** 2)


noise = torch.distributions.MultivariateNormal(torch.zeros(2), 2.6 * torch.eye(2))


class LogDensity(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
        self.log_norm = nn.Parameter(torch.zeros(()))        # learned like any other parameter

    def forward(self, x):
        return self.net(x).squeeze(1) - 0.5 * (x ** 2).sum(1) / 4 - self.log_norm


RATIO, BATCH, STEPS = 4, 256, 2400
train = sample_data(20000)
held_out = sample_data(4000)
model = LogDensity()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, STEPS)
log_ratio = math.log(RATIO)


def nce_loss(real, fake):
    """Logistic regression of data against noise; the logit is log p_model - log (RATIO * p_noise)."""
    g_real = model(real) - noise.log_prob(real) - log_ratio
    g_fake = model(fake) - noise.log_prob(fake) - log_ratio
    return -F.logsigmoid(g_real).mean() - RATIO * F.logsigmoid(-g_fake).mean()


running = 0.0
for step in range(1, STEPS + 1):
    real = train[torch.randint(0, len(train), (BATCH,))]
    fake = noise.sample((RATIO * BATCH,))
    loss = nce_loss(real, fake)
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    running += loss.item()
    if step % 240 == 0:
        with torch.no_grad():
            ll = model(held_out).mean().item()
        print(f"step {step:4d}  nce loss {running / 240:.4f}  held-out log density {ll:.4f}")
        running = 0.0

with torch.no_grad():
    axis = torch.linspace(-6, 6, 400)
    grid = torch.cartesian_prod(axis, axis)
    mass = (model(grid).exp().sum() * (axis[1] - axis[0]) ** 2).item()
    kl = (log_data(held_out) - model(held_out)).mean().item() + math.log(mass)
print(f"integral of the model over the plane {mass:.4f} (should be 1), KL from the true density {kl:.4f} nats")
print("RESULT", json.dumps({"kl_nats": round(kl, 4), "mass": round(mass, 4), "good": kl < 0.03 and abs(mass - 1) < 0.05}))
