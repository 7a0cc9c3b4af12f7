"""A hypernetwork maps the parameters of a damped wave to the weights of a small target network.
Modelled after Ha et al. 2016, "HyperNetworks", and parametric-regression tutorials."""
import json
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

H = 16
SHAPES = [(H, 1), (H,), (H, H), (H,), (1, H), (1,)]
SIZES = [int(torch.tensor(s).prod()) for s in SHAPES]


class HyperNet(nn.Module):
    def __init__(self, task_dim=3, width=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(task_dim, width), nn.SiLU(),
                                   nn.Linear(width, width), nn.SiLU())
        self.out = nn.Linear(width, sum(SIZES))
        # start from one ordinary target network for all tasks, plus small task-dependent changes
        with torch.no_grad():
            self.out.weight.mul_(0.3)
            base = [torch.randn(H, 1) * 2.0, torch.randn(H) * 1.0, torch.randn(H, H) / H ** 0.5,
                    torch.zeros(H), torch.randn(1, H) / H ** 0.5, torch.zeros(1)]
            self.out.bias.copy_(torch.cat([b.flatten() for b in base]))

    def forward(self, task):
        flat = self.out(self.trunk(task))
        parts = flat.split(SIZES, dim=1)
        return [p.view(len(task), *s) for p, s in zip(parts, SHAPES)]


def target_forward(w, x):
    """x: (tasks, points, 1), one set of weights per task."""
    h = torch.tanh(torch.baddbmm(w[1].unsqueeze(1), x, w[0].transpose(1, 2)))
    h = torch.tanh(torch.baddbmm(w[3].unsqueeze(1), h, w[2].transpose(1, 2)))
    return torch.baddbmm(w[5].unsqueeze(1), h, w[4].transpose(1, 2))


def tasks(n, points=40):
    z = torch.rand(n, 3) * 2 - 1
    amp, freq, phase = 1 + 0.5 * z[:, :1], 3 + z[:, 1:2], 1.5 * z[:, 2:]
    x = torch.rand(n, points) * 2 - 1
    y = amp * torch.sin(freq * x + phase) * torch.exp(-0.5 * x)
    return z, x.unsqueeze(-1), y.unsqueeze(-1)


net = HyperNet()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
steps = 1200
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=4e-3, total_steps=steps)
val = tasks(500)
for step in range(steps):
    z, x, y = tasks(64)
    loss = ((target_forward(net(z), x) - y) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    sched.step()
    if (step + 1) % 120 == 0:
        with torch.no_grad():
            v = ((target_forward(net(val[0]), val[1]) - val[2]) ** 2).mean().item()
        print(f"step {step + 1}: train {loss.item():.5f} new tasks {v:.5f}")
nmse = v / val[2].var().item()
print("RESULT " + json.dumps({"new_task_nmse": round(nmse, 5), "good": nmse < 0.02}))
