"""Categorical distributional Q-learning (C51) in a slippery corridor.

The prize at the right end is a coin toss (0 or 3), so the return distribution
is truly spread and the cross-entropy cannot go to zero: it levels off well
above it, with small rises as the targets move.
"""
import collections
import json
import random
import sys

import numpy as np
import torch
from torch import nn

N_STATES, START, GAMMA, SLIP = 9, 3, 0.95, 0.15
V_MIN, V_MAX, ATOMS = 0.0, 3.0, 31
Transition = collections.namedtuple("Transition", "s a r s2 done")


class Corridor:
    def __init__(self, rng):
        self.rng = rng

    def reset(self):
        self.s, self.t = self.rng.randrange(1, N_STATES - 1), 0
        return self.s

    def step(self, a):
        move = 1 if a == 1 else -1
        if self.rng.random() < SLIP:
            move = -move
        self.s += move
        self.t += 1
        if self.s == N_STATES - 1:
            return self.s, 3.0 * (self.rng.random() < 0.5), True
        if self.s == 0:
            return self.s, 0.6, True
        return self.s, 0.0, False


def optimal_q():
    q = np.zeros((N_STATES, 2))
    for _ in range(2000):
        v = q.max(1)
        v[0] = v[-1] = 0
        for s in range(1, N_STATES - 1):
            for a in (0, 1):
                q[s, a] = 0
                for p, m in ((1 - SLIP, 2 * a - 1), (SLIP, 1 - 2 * a)):
                    s2 = s + m
                    r = 1.5 if s2 == N_STATES - 1 else 0.6 if s2 == 0 else 0.0
                    q[s, a] += p * (r + GAMMA * v[s2])
    return q


def policy_value(policy):
    v = np.zeros(N_STATES)
    for _ in range(2000):
        new = np.zeros(N_STATES)
        for s in range(1, N_STATES - 1):
            for p, m in ((1 - SLIP, 2 * policy[s] - 1), (SLIP, 1 - 2 * policy[s])):
                s2 = s + m
                r = 1.5 if s2 == N_STATES - 1 else 0.6 if s2 == 0 else 0.0
                new[s] += p * (r + GAMMA * v[s2])
        v = new
    return v


class DistQ(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(N_STATES, hidden), nn.ReLU(), nn.Linear(hidden, 2 * ATOMS))
        self.register_buffer("support", torch.linspace(V_MIN, V_MAX, ATOMS))

    def forward(self, s):
        x = nn.functional.one_hot(s, N_STATES).float()
        return self.net(x).view(-1, 2, ATOMS).log_softmax(-1)

    def q(self, s):
        return (self(s).exp() * self.support).sum(-1)


@torch.no_grad()
def projected_target(target, r, s2, done):
    nxt = target(s2).exp()
    best = (nxt * target.support).sum(-1).argmax(1)
    p = nxt[torch.arange(len(s2)), best]
    tz = (r[:, None] + GAMMA * (1 - done[:, None]) * target.support).clamp(V_MIN, V_MAX)
    b = (tz - V_MIN) / (V_MAX - V_MIN) * (ATOMS - 1)
    w = (1 - (b[:, :, None] - torch.arange(ATOMS)).abs()).clamp(min=0)
    return (p[:, :, None] * w).sum(1)


def main(seed):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    env, online, target = Corridor(rng), DistQ(), DistQ()
    target.load_state_dict(online.state_dict())
    target.requires_grad_(False)
    opt = torch.optim.Adam(online.parameters(), lr=1e-3)
    replay = collections.deque(maxlen=20000)
    total, updates, s = 24000, 0, env.reset()
    losses = []
    for t in range(total):
        eps = max(0.2, 1 - t / 8000)
        if rng.random() < eps:
            a = rng.randrange(2)
        else:
            with torch.no_grad():
                a = int(online.q(torch.tensor([s])).argmax())
        s2, r, done = env.step(a)
        replay.append(Transition(s, a, r, s2, float(done)))
        s = env.reset() if done else s2
        if t < 1000 or t % 4:
            continue
        if updates == 4000:
            opt.param_groups[0]["lr"] = 2e-4
        batch = Transition(*zip(*rng.sample(replay, 128)))
        bs, ba, bs2 = (torch.tensor(v) for v in (batch.s, batch.a, batch.s2))
        goal = projected_target(target, torch.tensor(batch.r), bs2, torch.tensor(batch.done))
        logp = online(bs)[torch.arange(128), ba]
        loss = -(goal * logp).sum(1).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
        updates += 1
        if updates % 100 == 0:
            target.load_state_dict(online.state_dict())
        if updates % 500 == 0:
            print(f"update {updates}  cross-entropy {np.mean(losses[-500:]):.4f}")

    q_star = optimal_q()
    with torch.no_grad():
        q = online.q(torch.arange(N_STATES)).numpy()
    inner = slice(1, N_STATES - 1)
    err = float(np.abs(q - q_star)[inner].mean())
    policy = q.argmax(1)
    regret = float((q_star.max(1) - policy_value(policy))[inner].max())
    print("Q learnt ", np.round(q[inner].max(1), 3))
    print("Q optimal", np.round(q_star[inner].max(1), 3), f" regret {regret:.4f}")
    print("RESULT " + json.dumps({"metric": "mean_abs_q_error", "value": round(err, 4),
                                  "good": bool(err < 0.08 and regret < 0.02)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
