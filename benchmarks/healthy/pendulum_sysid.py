"""Find the damping and the length of a pendulum from noisy angle readings, with a hand-written RK4 solver."""
import json
import math
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

G, DT, STEPS = 9.81, 0.05, 60
TRUE_LENGTH, TRUE_DAMPING = 1.4, 0.35


class Pendulum(nn.Module):
    """theta'' = -g / l sin(theta) - b theta'; both constants are kept positive by an exponential."""

    def __init__(self, length, damping):
        super().__init__()
        self.log_length = nn.Parameter(torch.tensor(math.log(length)))
        self.log_damping = nn.Parameter(torch.tensor(math.log(damping)))

    def forward(self, t, state):
        theta, omega = state.unbind(-1)
        alpha = -G / self.log_length.exp() * torch.sin(theta) - self.log_damping.exp() * omega
        return torch.stack([omega, alpha], dim=-1)


def odeint_rk4(func, y0, t):
    ys = [y0]
    for t0, t1 in zip(t[:-1], t[1:]):
        h, y = t1 - t0, ys[-1]
        k1 = func(t0, y)
        k2 = func(t0 + h / 2, y + h / 2 * k1)
        k3 = func(t0 + h / 2, y + h / 2 * k2)
        k4 = func(t1, y + h * k3)
        ys.append(y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return torch.stack(ys)


t = torch.arange(STEPS + 1) * DT
with torch.no_grad():
    truth = Pendulum(TRUE_LENGTH, TRUE_DAMPING)
    y0 = torch.stack([torch.empty(16).uniform_(-1.5, 1.5), torch.empty(16).uniform_(-1, 1)], dim=-1)
    clean = odeint_rk4(truth, y0, t)
    observed = clean[..., 0] + 0.05 * torch.randn(clean.shape[:2])
train, test = slice(0, 12), slice(12, 16)

model = Pendulum(length=1.0, damping=0.1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for step in range(200):
    optimizer.zero_grad()
    pred = odeint_rk4(model, y0[train], t)
    loss = (pred[..., 0] - observed[:, train]).pow(2).mean()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        print(f"step {step:3d}  mse {loss.item():.5f}  length {model.log_length.exp().item():.3f}  "
              f"damping {model.log_damping.exp().item():.3f}")

length, damping = model.log_length.exp().item(), model.log_damping.exp().item()
with torch.no_grad():
    pred = odeint_rk4(model, y0[test], t)
    test_rmse = (pred[..., 0] - clean[:, test, 0]).pow(2).mean().sqrt().item()
print(f"length {length:.3f} (true {TRUE_LENGTH}), damping {damping:.3f} (true {TRUE_DAMPING})")
error = max(abs(length / TRUE_LENGTH - 1), abs(damping / TRUE_DAMPING - 1))
print(f"rmse on unseen swings {test_rmse:.4f}")
print("RESULT", json.dumps({"metric": "largest relative error", "value": round(error, 4),
                            "good": error <= 0.05 and test_rmse <= 0.03}))
