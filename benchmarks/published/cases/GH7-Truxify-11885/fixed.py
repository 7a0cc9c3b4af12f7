import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

STATE_DIM, ACTION_DIM, BATCH = 4, 2, 64


class FleetEnv:
    """load state of a truck -> (speed, headway) command; every decision is priced at once"""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.mix = np.random.default_rng(3).normal(0, 0.7, (STATE_DIM, ACTION_DIM))

    def observe(self, n):
        return self.rng.uniform(-1, 1, (n, STATE_DIM)).astype("float32")

    def reward(self, state, action):
        wanted = 0.8 * np.tanh(state @ self.mix)
        return (1.0 - ((action - wanted) ** 2).sum(1)).astype("float32")


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(STATE_DIM, 64), nn.ReLU(), nn.Linear(64, ACTION_DIM), nn.Tanh())

    def forward(self, s):
        return self.net(s)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(STATE_DIM + ACTION_DIM, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, s, a):
        return self.net(torch.cat([s, a], 1)).squeeze(1)


class PIRLAgent:
    def __init__(self, lr=1e-3, noise=0.3):
        self.actor, self.critic, self.noise = Actor(), Critic(), noise
        self.actor_opt = torch.optim.Adam(self.actor.parameters(), lr=lr)
        self.critic_opt = torch.optim.Adam(self.critic.parameters(), lr=lr)
        self.buffer = []

    @torch.no_grad()
    def act(self, state, explore=True):
        a = self.actor(torch.from_numpy(state)).numpy()
        if explore:
            a = np.clip(a + np.random.normal(0, self.noise, a.shape), -1, 1).astype("float32")
        return a

    def remember(self, *item):
        self.buffer.append([torch.from_numpy(x) for x in item])

    def update(self):
        k = np.random.randint(len(self.buffer), size=4)
        s, a, r = (torch.cat([self.buffer[i][j] for i in k]) for j in range(3))
        critic_loss = nn.functional.mse_loss(self.critic(s, a), r)
        self.critic_opt.zero_grad()
        critic_loss.backward()
        self.critic_opt.step()

        q_values = self.critic(s, self.actor(s))
        actor_loss = -q_values.mean()
        self.actor_opt.zero_grad()
        actor_loss.backward()
        self.actor_opt.step()
        return critic_loss.item(), actor_loss.item()


env, agent = FleetEnv(seed), PIRLAgent()
for _ in range(10):
    s = env.observe(16)
    a = np.random.uniform(-1, 1, (16, ACTION_DIM)).astype("float32")
    agent.remember(s, a, env.reward(s, a))
log = []
for step in range(1, 2001):
    s = env.observe(16)
    a = agent.act(s)
    r = env.reward(s, a)
    agent.remember(s, a, r)
    log.append([*agent.update(), r.mean()])
    if step % 250 == 0:
        c, p, m = np.mean(log[-250:], 0)
        print(f"step {step}: critic loss {c:.4f} actor loss {p:.4f} reward {m:.4f}")

test_env = FleetEnv(seed + 500)
s = test_env.observe(1000)
value = float(test_env.reward(s, agent.act(s, explore=False)).mean())
print("RESULT", json.dumps({"metric": "mean_reward", "value": value}))
