"""Reconstruct a field from its gradient alone with a SIREN (Poisson reconstruction).
Modelled after Sitzmann et al. 2020, "Implicit neural representations with periodic activations"."""
import json
import math
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class SineLayer(nn.Module):
    def __init__(self, n_in, n_out, omega, first=False):
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(n_in, n_out)
        bound = 1 / n_in if first else math.sqrt(6 / n_in) / omega
        with torch.no_grad():
            self.linear.weight.uniform_(-bound, bound)

    def forward(self, x):
        return torch.sin(self.omega * self.linear(x))


class Siren(nn.Module):
    def __init__(self, width=64, omega=8.0):
        super().__init__()
        self.body = nn.Sequential(SineLayer(2, width, omega, first=True),
                                  SineLayer(width, width, omega), SineLayer(width, width, omega))
        self.final = nn.Linear(width, 1)
        with torch.no_grad():
            b = math.sqrt(6 / width) / omega
            self.final.weight.uniform_(-b, b)

    def forward(self, x):
        return self.final(self.body(x))


centres = torch.rand(8, 2) * 1.6 - 0.8
amps = torch.randn(8)
amps = amps.sign() * (0.5 + amps.abs())
widths = 0.15 + 0.2 * torch.rand(8)


def field(x):
    d2 = ((x[:, None] - centres) ** 2).sum(-1)
    return (amps * torch.exp(-d2 / (2 * widths ** 2))).sum(-1)


def gradient(y, x, create_graph=False):
    return torch.autograd.grad(y.sum(), x, create_graph=create_graph)[0]


def sample(n):
    x = (torch.rand(n, 2) * 2 - 1).requires_grad_()
    g = gradient(field(x), x)
    return x, g


scale = sample(4096)[1].std()
model = Siren()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
steps = 600
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps, eta_min=1e-5)
for step in range(steps):
    x, target = sample(512)
    pred = gradient(model(x), x, create_graph=True)
    loss = ((pred - target / scale) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if (step + 1) % 100 == 0:
        print(f"step {step + 1}: gradient loss {loss.item():.6f}")

lin = torch.linspace(-1, 1, 64)
grid = torch.cartesian_prod(lin, lin)
with torch.no_grad():
    f, g = field(grid), model(grid).squeeze(1) * scale
    f, g = f - f.mean(), g - g.mean()
    rel = ((f - g).pow(2).sum() / f.pow(2).sum()).sqrt().item()
print("RESULT " + json.dumps({"relative_field_error": round(rel, 4), "good": rel < 0.08}))
