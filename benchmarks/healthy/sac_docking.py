"""Soft actor-critic with a learned temperature docks a 1-D craft; the yardstick is the LQR solution."""
import copy
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
np.random.seed(seed)

DT, THRUST, HORIZON, GAMMA = 0.2, 1.5, 40, 0.95


def sample_start(n):
    return torch.stack([torch.rand(n) * 2 - 1, torch.rand(n) - 0.5], 1)


def dynamics(s, a):
    x, v = s[:, :1], s[:, 1:]
    reward = -(x ** 2 + 0.1 * v ** 2 + 0.1 * a ** 2)
    walls = torch.cat([(x + DT * v).clamp(-2, 2), (v + DT * THRUST * a).clamp(-1.5, 1.5)], 1)
    return walls, reward


def net(i, o):
    return nn.Sequential(nn.Linear(i, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, o))


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = net(2, 2)

    def forward(self, s):
        mu, log_std = self.body(s).chunk(2, -1)
        return mu, log_std.clamp(-5, 2)

    def sample(self, s):
        mu, log_std = self(s)
        dist = torch.distributions.Normal(mu, log_std.exp())
        u = dist.rsample()
        a = torch.tanh(u)
        logp = dist.log_prob(u) - 2 * (np.log(2) - u - F.softplus(-2 * u))
        return a, logp


class Replay:
    def __init__(self, size):
        self.s, self.a = torch.zeros(size, 2), torch.zeros(size, 1)
        self.r, self.s2 = torch.zeros(size, 1), torch.zeros(size, 2)
        self.n, self.size = 0, size

    def add(self, s, a, r, s2):
        idx = torch.arange(self.n, self.n + len(s)) % self.size
        self.s[idx], self.a[idx], self.r[idx], self.s2[idx] = s, a, r, s2
        self.n += len(s)

    def draw(self, b):
        i = torch.randint(0, min(self.n, self.size), (b,))
        return self.s[i], self.a[i], self.r[i], self.s2[i]


actor, q1, q2 = Actor(), net(3, 1), net(3, 1)
q1_t, q2_t = copy.deepcopy(q1).requires_grad_(False), copy.deepcopy(q2).requires_grad_(False)
log_alpha = torch.tensor(-3.0, requires_grad=True)
opt_pi = torch.optim.Adam(actor.parameters(), lr=1e-3)
opt_q = torch.optim.Adam([*q1.parameters(), *q2.parameters()], lr=1e-3)
opt_alpha = torch.optim.Adam([log_alpha], lr=2e-3)
TARGET_ENTROPY = -1.5


def update(buf):
    s, a, r, s2 = buf.draw(128)
    alpha = log_alpha.exp().detach()
    with torch.no_grad():
        a2, logp2 = actor.sample(s2)
        sa2 = torch.cat([s2, a2], 1)
        # the horizon is a time limit and not an ending, so the bootstrap is never cut
        y = r + GAMMA * (torch.min(q1_t(sa2), q2_t(sa2)) - alpha * logp2)
    sa = torch.cat([s, a], 1)
    loss_q = F.mse_loss(q1(sa), y) + F.mse_loss(q2(sa), y)
    opt_q.zero_grad()
    loss_q.backward()
    opt_q.step()

    for p in [*q1.parameters(), *q2.parameters()]:
        p.requires_grad_(False)
    pi, logp = actor.sample(s)
    spi = torch.cat([s, pi], 1)
    loss_pi = (alpha * logp - torch.min(q1(spi), q2(spi))).mean()
    opt_pi.zero_grad()
    loss_pi.backward()
    opt_pi.step()
    for p in [*q1.parameters(), *q2.parameters()]:
        p.requires_grad_(True)

    loss_a = -(log_alpha.exp() * (logp.detach() + TARGET_ENTROPY)).mean()
    opt_alpha.zero_grad()
    loss_a.backward()
    opt_alpha.step()
    with torch.no_grad():
        for net_, tgt in ((q1, q1_t), (q2, q2_t)):
            for p, pt in zip(net_.parameters(), tgt.parameters()):
                pt.lerp_(p, 0.01)
    return loss_q.item(), loss_pi.item()


@torch.no_grad()
def episode_cost(policy, starts):
    s, total = starts, 0.0
    for _ in range(HORIZON):
        s, r = dynamics(s, policy(s))
        total -= r.mean().item()
    return total


def lqr_gain():
    A = np.array([[1, DT], [0, 1.0]])
    B = np.array([[0], [DT * THRUST]])
    Q, R = np.diag([1, 0.1]), np.array([[0.1]])
    P = Q.copy()
    for _ in range(2000):
        K = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
        P = Q + A.T @ P @ (A - B @ K)
    return torch.tensor(K, dtype=torch.float32)


buf = Replay(20000)
s = sample_start(16)
t = 0
for step in range(3000):
    with torch.no_grad():
        a = torch.rand(16, 1) * 2 - 1 if step < 60 else actor.sample(s)[0]
        s2, r = dynamics(s, a)
    buf.add(s, a, r, s2)
    s, t = s2, t + 1
    if t == HORIZON:
        s, t = sample_start(16), 0
    if step >= 60:
        lq, lp = update(buf)
        if step % 200 == 0:
            print(f"step {step} critic {lq:.4f} actor {lp:.3f} alpha {log_alpha.exp().item():.4f}")

g = torch.Generator().manual_seed(999)
starts = torch.stack([torch.rand(400, generator=g) * 2 - 1, torch.rand(400, generator=g) - 0.5], 1)
K = lqr_gain()
best = episode_cost(lambda z: (-z @ K.T).clamp(-1, 1), starts)
idle = episode_cost(lambda z: torch.zeros(len(z), 1), starts)
mine = episode_cost(lambda z: torch.tanh(actor(z)[0]), starts)
print(f"LQR {best:.3f}  idle {idle:.3f}  SAC {mine:.3f}")
ratio = mine / best
print("RESULT " + json.dumps({"metric": "cost_over_lqr", "value": round(ratio, 4), "good": bool(ratio < 1.15)}))
