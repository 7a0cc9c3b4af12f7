"""Physics-informed net: u'' + 0.4 u' + 9 u = 0 with u(0) = 1, u'(0) = 0. No labels; first and second derivatives in the loss."""

import json
import math
import sys

import torch
from torch import nn


def derivative(u, t):
    return torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.StepLR(opt, 500, gamma=0.5)
t0 = torch.zeros(1, 1, requires_grad=True)
for step in range(1500):
    t = (torch.rand(64, 1) * 2).requires_grad_(True)
    u = net(t)
    du = derivative(u, t)
    ddu = derivative(du, t)
    physics = (ddu + 0.4 * du + 9 * u).pow(2).mean()
    u0 = net(t0)
    start = (u0 - 1).pow(2).sum() + derivative(u0, t0).pow(2).sum()
    loss = 0.05 * physics + start
    opt.zero_grad()
    loss.backward()
    opt.step()
    schedule.step()
    if step % 150 == 0:
        print(f"step {step}: physics {physics.item():.5f} start {start.item():.5f}")

w = math.sqrt(9 - 0.04)
ts = torch.linspace(0, 2, 100)[:, None]
exact = torch.exp(-0.2 * ts) * (torch.cos(w * ts) + 0.2 / w * torch.sin(w * ts))
with torch.no_grad():
    error = (net(ts) - exact).abs().max().item()
print("RESULT", json.dumps({"metric": "max_error", "value": round(error, 4), "good": error <= 0.1}))
