"""REINFORCE with a running baseline on a 5x5 grid world."""

import json
import sys

import torch
from torch import nn
from torch.distributions import Categorical

SIZE, MAX_STEPS, GAMMA = 5, 40, 0.95
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


class GridWorld:
    """Walk from one corner to the other: -0.1 a step, +2 at the goal."""

    def reset(self):
        self.row, self.col, self.t = 0, 0, 0
        return self.observe()

    def observe(self):
        obs = torch.zeros(SIZE * SIZE)
        obs[self.row * SIZE + self.col] = 1.0
        return obs

    def step(self, action):
        d_row, d_col = MOVES[action]
        self.row = min(max(self.row + d_row, 0), SIZE - 1)
        self.col = min(max(self.col + d_col, 0), SIZE - 1)
        self.t += 1
        at_goal = self.row == self.col == SIZE - 1
        reward = 2.0 if at_goal else -0.1
        return self.observe(), reward, at_goal or self.t >= MAX_STEPS


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(SIZE * SIZE, 64)
        self.action = nn.Linear(64, len(MOVES))

    def forward(self, obs):
        return Categorical(logits=self.action(torch.tanh(self.hidden(obs))))


def play(env, policy):
    log_probs, entropies, rewards = [], [], []
    obs, done = env.reset(), False
    while not done:
        dist = policy(obs)
        action = dist.sample()
        obs, reward, done = env.step(action.item())
        log_probs.append(dist.log_prob(action))
        entropies.append(dist.entropy())
        rewards.append(reward)
    return torch.stack(log_probs), torch.stack(entropies), rewards


def discounted(rewards):
    returns, g = [], 0.0
    for r in reversed(rewards):
        g = r + GAMMA * g
        returns.append(g)
    return torch.tensor(returns[::-1])


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    env, policy = GridWorld(), Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
    baseline, history = 0.0, []

    for episode in range(400):
        log_probs, entropies, rewards = play(env, policy)
        returns = discounted(rewards)
        loss = -(log_probs * (returns - baseline)).sum() - 0.01 * entropies.sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        baseline = 0.9 * baseline + 0.1 * returns.mean().item()
        history.append(sum(rewards))
        if (episode + 1) % 50 == 0:
            print(f"episode {episode + 1}: loss {loss.item():+.3f}, mean return {sum(history[-50:]) / 50:+.3f}")

    first, last = sum(history[:50]) / 50, sum(history[-50:]) / 50
    good = last > first + 1 and last > 0.8
    print("RESULT", json.dumps({"metric": "return_last50", "value": round(last, 4), "good": good}))


if __name__ == "__main__":
    main()
