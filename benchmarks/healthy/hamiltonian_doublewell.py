"""Hamiltonian neural network for a particle in a double well: learns the energy from noisy accelerations."""
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def energy(s):
    q, p = s[:, 0], s[:, 1]
    return 0.5 * p ** 2 - q ** 2 / 2 + q ** 4 / 4


def field(s):
    q, p = s[:, 0], s[:, 1]
    return torch.stack([p, q - q ** 3], 1)


def states(n):
    return torch.stack([3.6 * torch.rand(n) - 1.8, 3.0 * torch.rand(n) - 1.5], 1)


class HNN(nn.Module):
    def __init__(self, h=48):
        super().__init__()
        self.H = nn.Sequential(nn.Linear(2, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh(), nn.Linear(h, 1))

    def forward(self, s):
        with torch.enable_grad():
            s = s if s.requires_grad else s.detach().requires_grad_(True)
            g, = torch.autograd.grad(self.H(s).sum(), s, create_graph=True)
        return torch.stack([g[:, 1], -g[:, 0]], 1)


s = states(3000)
d = field(s) + 0.1 * torch.randn(3000, 2)
train = DataLoader(TensorDataset(s[:2500], d[:2500]), batch_size=64, shuffle=True)
sv, dv = s[2500:], d[2500:]
net = HNN()
EPOCHS = 30
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)
mse = nn.MSELoss()
for ep in range(1, EPOCHS + 1):
    tot = 0.
    for a, b in train:
        opt.zero_grad()
        loss = mse(net(a), b)
        loss.backward()
        opt.step()
        tot += loss.item() * len(a)
    sched.step()
    if ep % 5 == 0:
        print(f"epoch {ep} train {tot / 2500:.5f} val {mse(net(sv).detach(), dv).item():.5f} (noise 0.01)")
st = states(2000)
r2 = 1 - (net(st).detach() - field(st)).pow(2).mean().item() / field(st).var().item()


def roll(f, s0, n=400, dt=0.05):
    s = s0
    for _ in range(n):
        k1 = f(s); k2 = f(s + dt / 2 * k1); k3 = f(s + dt / 2 * k2); k4 = f(s + dt * k3)
        s = (s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)).detach()
    return s


s0 = torch.tensor([[1.5, 0.0], [-1.3, 0.2], [0.6, 0.0], [0.2, 0.9]])
drift = (energy(roll(net, s0)) - energy(s0)).abs().max().item()
print(f"field R2 {r2:.5f}; largest energy drift after 400 steps {drift:.4f} (well depth 0.25)")
print("RESULT", json.dumps({"field_r2": round(r2, 5), "drift": round(drift, 4), "good": r2 > 0.995 and drift < 0.04}))
