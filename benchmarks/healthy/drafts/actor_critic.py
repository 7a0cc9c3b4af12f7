"""Advantage actor-critic on a small corridor: sparse reward, the critic's target moves, the losses rise and fall."""

import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

LENGTH, ENVS, HORIZON, GAMMA = 8, 16, 8, 0.95


class Corridor:
    """Start in the middle; the right end pays 1, the left end 0, each step costs a little."""

    def __init__(self, n):
        self.pos = torch.full((n,), LENGTH // 2)

    def observe(self):
        return F.one_hot(self.pos, LENGTH + 1).float()

    def step(self, action):
        slip = torch.rand(len(action)) < 0.1
        move = torch.where(slip, -1, 1) * (2 * action - 1)
        self.pos = self.pos + move
        win, lost = self.pos >= LENGTH, self.pos <= 0
        reward = win.float() - 0.02
        done = win | lost
        self.pos = torch.where(done, LENGTH // 2, self.pos)
        return reward, done.float(), win


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(LENGTH + 1, 32), nn.Tanh())
        self.pi = nn.Linear(32, 2)
        self.v = nn.Linear(32, 1)

    def forward(self, obs):
        h = self.body(obs)
        return torch.distributions.Categorical(logits=self.pi(h)), self.v(h).squeeze(-1)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
env, net = Corridor(ENVS), ActorCritic()
optimizer = torch.optim.RMSprop(net.parameters(), lr=3e-3)
wins, ends = [], []
for update in range(300):
    logs, values, rewards, dones, entropies = [], [], [], [], []
    for _ in range(HORIZON):
        dist, value = net(env.observe())
        action = dist.sample()
        reward, done, win = env.step(action)
        logs.append(dist.log_prob(action))
        entropies.append(dist.entropy())
        values.append(value)
        rewards.append(reward)
        dones.append(done)
        wins.append(win.sum().item())
        ends.append(done.sum().item())
    with torch.no_grad():
        ret = net(env.observe())[1]
    returns = []
    for reward, done in zip(reversed(rewards), reversed(dones)):
        ret = reward + GAMMA * ret * (1 - done)
        returns.insert(0, ret)
    returns, values = torch.stack(returns), torch.stack(values)
    advantage = returns - values
    policy_loss = -(torch.stack(logs) * advantage.detach()).mean()
    value_loss = advantage.pow(2).mean()
    loss = policy_loss + 0.5 * value_loss - 0.01 * torch.stack(entropies).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    optimizer.step()
    if update % 30 == 29:
        print(f"update {update + 1}: policy {policy_loss.item():.4f} value {value_loss.item():.4f} wins {sum(wins[-240:]) / max(1, sum(ends[-240:])):.3f}")
share = sum(wins[-400:]) / max(1.0, sum(ends[-400:]))
print("RESULT", json.dumps({"metric": "won_of_last_episodes", "value": round(share, 4), "good": share >= 0.9}))
