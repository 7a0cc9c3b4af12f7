"""Learns a one-step simulator of the van der Pol oscillator by unrolling it.

The horizon of the unrolled loss grows 1 -> 4 -> 10 -> 25 steps, so the loss
goes up at each change of stage: a longer roll-out is a harder question.
"""
import json
import sys

import torch
import torch.nn as nn

torch.set_num_threads(1)
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
DT, NOISE = 0.1, 0.02


def field(s):
    x, v = s[..., 0], s[..., 1]
    return torch.stack([v, 1.5 * (1 - x * x) * v - x], -1)


def rk4(s, n=4):
    h = DT / n
    for _ in range(n):
        a = field(s)
        b = field(s + h / 2 * a)
        c = field(s + h / 2 * b)
        d = field(s + h * c)
        s = s + h / 6 * (a + 2 * b + 2 * c + d)
    return s


def trajectories(count, length):
    s = torch.rand(count, 2) * 5 - 2.5
    out = [s]
    for _ in range(length - 1):
        s = rk4(s)
        out.append(s)
    return torch.stack(out, 1)


class Stepper(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))

    def forward(self, s):
        return s + DT * self.f(s)

    def roll(self, s, n):
        out = []
        for _ in range(n):
            s = self(s)
            out.append(s)
        return torch.stack(out, 1)


clean = trajectories(400, 60)
train = clean + NOISE * torch.randn_like(clean)
test = trajectories(200, 61)


def windows(h, batch):
    i = torch.randint(0, train.shape[0], (batch,))
    j = torch.randint(0, train.shape[1] - h, (batch,))
    k = j[:, None] + torch.arange(h + 1)
    return train[i[:, None], k]


def evaluate(step_fn, h=50):
    s, err = test[:, 0], []
    for n in range(1, h + 1):
        s = step_fn(s)
        err.append(((s - test[:, n]) ** 2).mean())
    return torch.stack(err).mean().sqrt().item()


model = Stepper()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
plan = [(1, 700, 3e-3), (4, 400, 2e-3), (10, 300, 1e-3), (25, 400, 1e-3)]
for h, steps, lr in plan:
    for group in opt.param_groups:
        group["lr"] = lr
    for step in range(steps):
        if h == 25:
            opt.param_groups[0]["lr"] = lr * (1 - 0.95 * step / steps)
        w = windows(h, 256)
        loss = ((model.roll(w[:, 0], h) - w[:, 1:]) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        if step % 100 == 99:
            print(f"horizon {h:2d} step {step + 1:4d} loss {loss.item():.5f}")
    with torch.no_grad():
        print(f"--- after horizon {h}: 50-step rmse {evaluate(model):.4f}")

# linear one-step map by least squares (DMD), with an intercept
a = train[:, :-1].reshape(-1, 2)
a = torch.cat([a, torch.ones(len(a), 1)], 1)
coef = torch.linalg.lstsq(a, train[:, 1:].reshape(-1, 2)).solution
linear = evaluate(lambda s: torch.cat([s, torch.ones(len(s), 1)], 1) @ coef)
with torch.no_grad():
    value = evaluate(model)
print(f"50-step rmse: learnt {value:.4f}, linear map {linear:.4f}")
print("RESULT " + json.dumps({"metric": "rmse_50_steps", "value": round(value, 4),
                              "good": bool(value < 0.2 and value < 0.2 * linear)}))
