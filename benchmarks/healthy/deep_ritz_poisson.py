"""Deep Ritz method: -laplace(u) = f on the unit square, u = 0 on its edge, by minimising the energy."""
import json
import math
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
PI = math.pi
# u = sum of c sin(a pi x) sin(b pi y); the energy at the solution is -1/2 * integral of f u
MODES = [(1.0, 1, 1), (0.4, 2, 1), (-0.25, 1, 2)]


def exact(p):
    return sum(c * torch.sin(a * PI * p[:, 0]) * torch.sin(b * PI * p[:, 1]) for c, a, b in MODES)


def source(p):
    return sum(c * PI ** 2 * (a * a + b * b) * torch.sin(a * PI * p[:, 0]) * torch.sin(b * PI * p[:, 1]) for c, a, b in MODES)


LOWEST = -0.5 * sum(c * c * PI ** 2 * (a * a + b * b) / 4 for c, a, b in MODES)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + torch.tanh(self.b(torch.tanh(self.a(x))))


class Trial(nn.Module):
    """The factor x(1-x)y(1-y) satisfies the boundary condition exactly."""

    def __init__(self, width=32):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.Tanh(), Residual(width), nn.Linear(width, 1))

    def forward(self, p):
        edge = 16 * p[:, 0] * (1 - p[:, 0]) * p[:, 1] * (1 - p[:, 1])
        return edge * self.net(2 * p - 1).squeeze(1)


SIDE = 30
cells = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE)).float()


def stratified():
    return ((cells + torch.rand_like(cells)) / SIDE).requires_grad_(True)


u = Trial()
STEPS = 2400
opt = torch.optim.Adam(u.parameters(), lr=4e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, STEPS, eta_min=1e-5)
mean_energy = 0.0
for step in range(1, STEPS + 1):
    p = stratified()
    value = u(p)
    grad, = torch.autograd.grad(value.sum(), p, create_graph=True)
    energy = (0.5 * grad.pow(2).sum(1) - source(p.detach()) * value).mean()
    opt.zero_grad()
    energy.backward()
    opt.step()
    sched.step()
    mean_energy += energy.item()
    if step % 300 == 0:
        print(f"step {step:4d}  energy {mean_energy / 300:.5f}  (lowest possible {LOWEST:.5f})")
        mean_energy = 0.0

with torch.no_grad():
    axis = torch.linspace(0, 1, 101)
    grid = torch.cartesian_prod(axis, axis)
    err = ((u(grid) - exact(grid)).norm() / exact(grid).norm()).item()
print(f"relative L2 error {err:.5f}")
print("RESULT", json.dumps({"relative_l2": round(err, 5), "good": err < 0.02}))
