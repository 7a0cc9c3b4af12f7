"""Imitation of a lane-keeping controller with DAgger (dataset aggregation)."""
import json
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
np.random.seed(SEED)
torch.set_num_threads(1)

DT, SPEED, WHEELBASE, HORIZON = 0.1, 8.0, 2.5, 150


class Road:
    """n roads driven side by side; the curvature is a sum of slow sines."""

    def __init__(self, n, rng):
        self.n = n
        self.amp = rng.uniform(0.004, 0.02, (n, 3))
        self.freq = rng.uniform(0.02, 0.08, (n, 3))
        self.phase = rng.uniform(0, 2 * math.pi, (n, 3))
        self.s = np.zeros(n)
        self.offset = rng.uniform(-0.3, 0.3, n)
        self.heading = rng.uniform(-0.03, 0.03, n)

    def curvature(self, ahead=0.0):
        arg = self.freq * (self.s + ahead)[:, None] + self.phase
        return (self.amp * np.sin(arg)).sum(1)

    def observe(self):
        return np.stack([self.offset, self.heading,
                         self.curvature(0) * 30, self.curvature(5) * 30, self.curvature(10) * 30], 1)

    def step(self, steer, rng):
        yaw = SPEED / WHEELBASE * np.tan(steer) + rng.normal(0, 0.03, self.n)
        self.offset = np.clip(self.offset + DT * SPEED * np.sin(self.heading), -6, 6)
        self.heading = np.clip(self.heading + DT * (yaw - self.curvature() * SPEED * np.cos(self.heading)), -1.2, 1.2)
        self.s = self.s + DT * SPEED * np.cos(self.heading)


def expert(obs):
    ff = np.arctan(WHEELBASE * (0.5 * obs[:, 2] + 0.5 * obs[:, 3]) / 30)
    # the lateral correction saturates: a far-off car returns at a steady angle
    want = -0.45 * np.tanh(0.5 * obs[:, 0])
    return np.clip(ff + 0.7 * (want - obs[:, 1]), -0.5, 0.5)


policy = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
STEER_SCALE = 0.15


def act(obs):
    with torch.no_grad():
        return policy(torch.tensor(obs, dtype=torch.float32)).squeeze(1).numpy() * STEER_SCALE


def rollout(driver, n, rng, kick=0.0):
    road = Road(n, rng)
    seen, offs = [], []
    for t in range(HORIZON):
        obs = road.observe()
        seen.append(obs)
        road.step(driver(obs), rng)
        if kick and t % 50 == 25:                      # gust of wind
            road.offset = road.offset + rng.normal(0, kick, n)
        offs.append(np.abs(road.offset))
    return np.concatenate(seen), float(np.mean(offs))


def fit(obs, steer, epochs, lr):
    data = TensorDataset(torch.tensor(obs, dtype=torch.float32),
                         torch.tensor(steer / STEER_SCALE, dtype=torch.float32))
    loader = DataLoader(data, batch_size=256, shuffle=True)
    opt = torch.optim.Adam(policy.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    for _ in range(epochs):
        total = 0.0
        for xb, yb in loader:
            loss = nn.functional.smooth_l1_loss(policy(xb).squeeze(1), yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() * len(xb)
        sched.step()
    return total / len(data)


rng = np.random.default_rng(SEED)
obs, base = rollout(expert, 20, rng)                  # calm expert driving
steer = expert(obs)
for it in range(7):
    # the new states are labelled by the expert and driven by the learner, which is kicked about more and more
    loss = fit(obs, steer, epochs=8, lr=1e-3 if it == 0 else 7e-4)
    fresh, drive = rollout(act, 20, rng, kick=0.3 * (it + 1))
    err = np.abs(act(fresh) - expert(fresh)).mean()
    print(f"round {it}: {len(obs)} states, train loss {loss:.5f}, error on own states {err:.4f}, mean offset {drive:.3f}")
    if it < 6:
        obs = np.concatenate([obs, fresh])
        steer = np.concatenate([steer, expert(fresh)])

_, ours = rollout(act, 200, np.random.default_rng(SEED + 777), kick=1.5)
_, theirs = rollout(expert, 200, np.random.default_rng(SEED + 777), kick=1.5)
ratio = ours / theirs
print(f"windy test roads: learner {ours:.4f} m, expert {theirs:.4f} m")
print("RESULT " + json.dumps({"metric": "offset_over_expert", "value": round(ratio, 4), "good": bool(ratio < 1.1)}))
