import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)


class SortingLine:
    """parts arrive on a belt, the agent picks one of four bins"""

    def __init__(self, n_envs, steps, seed):
        self.n, self.steps = n_envs, steps
        self.rng = np.random.default_rng(seed)
        self.w = np.random.default_rng(7).normal(size=(6, 4))

    def _obs(self):
        self.part = self.rng.normal(size=(self.n, 6))
        return torch.tensor(self.part, dtype=torch.float32)

    def reset(self):
        self.t = 0
        return self._obs()

    def step(self, action):
        reward = (action.numpy() == (self.part @ self.w).argmax(1)).astype("float32")
        self.t += 1
        return self._obs(), torch.from_numpy(reward), self.t >= self.steps


class PolicyNetwork(nn.Module):
    def __init__(self, obs_dim, n_actions):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(obs_dim, 32), nn.Tanh(), nn.Linear(32, n_actions))

    def forward(self, x):
        return Categorical(logits=self.net(x))


class REINFORCE:
    def __init__(self, obs_dim, n_actions, lr=5e-3, gamma=0.5):
        self.gamma = gamma
        self.policy = PolicyNetwork(obs_dim, n_actions)
        self.optimizer = torch.optim.AdamW(self.policy.parameters(), lr=lr)
        self.probs, self.rewards = [], []

    def sample_action(self, state):
        dist = self.policy(state)
        action = dist.sample()
        self.probs.append(dist.log_prob(action))
        return action

    def update(self):
        running_g, gs = 0, []
        for r in self.rewards[::-1]:
            running_g = r + self.gamma * running_g
            gs.insert(0, running_g)
        deltas = torch.stack(gs)
        log_probs = torch.stack(self.probs)
        loss = -torch.sum(log_probs * deltas) / deltas.shape[1]
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.probs, self.rewards = [], []
        return loss.item()


def run(env, agent, learn=True):
    obs, done, total = env.reset(), False, 0.0
    while not done:
        action = agent.sample_action(obs) if learn else agent.policy(obs).probs.argmax(1)
        obs, reward, done = env.step(action)
        if learn:
            agent.rewards.append(reward)
        total += reward.mean().item()
    return total / env.steps


env = SortingLine(n_envs=8, steps=25, seed=seed)
agent = REINFORCE(6, 4)
history = []
for episode in range(300):
    history.append(run(env, agent))
    loss = agent.update()
    if (episode + 1) % 30 == 0:
        print(f"episode {episode + 1}: loss {loss:.4f} average reward per step {np.mean(history[-30:]):.4f}")

with torch.no_grad():
    final = run(SortingLine(n_envs=100, steps=50, seed=seed + 1000), agent, learn=False)
print("RESULT", json.dumps({"metric": "mean_reward", "value": final}))
