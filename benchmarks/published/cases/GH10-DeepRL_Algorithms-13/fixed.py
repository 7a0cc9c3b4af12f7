import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)


class GridWorld:
    """Agent walks from a random cell to the goal; walls block, pits end the episode."""

    def __init__(self, size=6, max_steps=40):
        self.size, self.max_steps = size, max_steps
        self.goal = (5, 5)
        self.walls = {(1, 1), (1, 2), (3, 3), (3, 4), (4, 1)}
        self.pits = {(2, 4), (4, 3)}
        self.moves = [(-1, 0), (1, 0), (0, -1), (0, 1)]

    def _obs(self):
        obs = np.zeros(2 * self.size, dtype=np.float32)
        obs[self.pos[0]] = 1
        obs[self.size + self.pos[1]] = 1
        return obs

    def reset(self):
        self.t = 0
        while True:
            self.pos = (np.random.randint(self.size), np.random.randint(self.size))
            if self.pos not in self.walls and self.pos not in self.pits and self.pos != self.goal:
                return self._obs()

    def step(self, a):
        self.t += 1
        dr, dc = self.moves[a]
        r, c = self.pos[0] + dr, self.pos[1] + dc
        if 0 <= r < self.size and 0 <= c < self.size and (r, c) not in self.walls:
            self.pos = (r, c)
        if self.pos == self.goal:
            return self._obs(), 10.0, True
        if self.pos in self.pits:
            return self._obs(), -5.0, True
        return self._obs(), -0.3, self.t >= self.max_steps


class Policy(nn.Module):
    def __init__(self, dim_state, n_actions, hidden=64):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim_state, hidden), nn.Tanh(),
                                 nn.Linear(hidden, hidden), nn.Tanh(),
                                 nn.Linear(hidden, n_actions))

    def forward(self, x):
        return Categorical(logits=self.net(x))

    def get_log_prob(self, x, a):
        return self.forward(x).log_prob(a)


class Value(nn.Module):
    def __init__(self, dim_state, hidden=64):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim_state, hidden), nn.Tanh(),
                                 nn.Linear(hidden, hidden), nn.Tanh(),
                                 nn.Linear(hidden, 1))

    def forward(self, x):
        return self.net(x)


def estimate_advantages(rewards, masks, values, gamma, tau):
    deltas = torch.zeros_like(rewards)
    advantages = torch.zeros_like(rewards)
    prev_value, prev_advantage = 0.0, 0.0
    for i in reversed(range(rewards.size(0))):
        deltas[i] = rewards[i] + gamma * prev_value * masks[i] - values[i]
        advantages[i] = deltas[i] + gamma * tau * prev_advantage * masks[i]
        prev_value = values[i, 0].item()
        prev_advantage = advantages[i, 0].item()
    returns = values + advantages
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return advantages, returns


def ppo_step(policy_net, value_net, optimizer_policy, optimizer_value, states, actions,
             returns, advantages, old_log_probs, clip_epsilon):
    value_loss = nn.functional.mse_loss(value_net(states), returns)
    optimizer_value.zero_grad()
    value_loss.backward()
    optimizer_value.step()

    dist = policy_net(states)
    ratio = torch.exp(dist.log_prob(actions) - old_log_probs)
    advantages = advantages.reshape(-1)
    surr1 = ratio * advantages
    surr2 = torch.clamp(ratio, 1.0 - clip_epsilon, 1.0 + clip_epsilon) * advantages
    policy_loss = -torch.min(surr1, surr2).mean() - 0.005 * dist.entropy().mean()
    optimizer_policy.zero_grad()
    policy_loss.backward()
    nn.utils.clip_grad_norm_(policy_net.parameters(), 1.0)
    optimizer_policy.step()
    return policy_loss.item(), value_loss.item()


class PPO:
    def __init__(self, env, min_batch_size=500, lr_p=2e-3, lr_v=2e-3, gamma=0.97, tau=0.95,
                 clip_epsilon=0.2, ppo_epochs=5, mini_batch_size=125):
        self.env = env
        self.min_batch_size, self.gamma, self.tau = min_batch_size, gamma, tau
        self.clip_epsilon, self.ppo_epochs, self.mini_batch_size = clip_epsilon, ppo_epochs, mini_batch_size
        self.policy_net = Policy(2 * env.size, 4)
        self.value_net = Value(2 * env.size)
        self.optimizer_p = torch.optim.Adam(self.policy_net.parameters(), lr=lr_p)
        self.optimizer_v = torch.optim.Adam(self.value_net.parameters(), lr=lr_v)

    def collect(self):
        states, actions, rewards, masks, episode_rewards = [], [], [], [], []
        while len(states) < self.min_batch_size:
            state, done, total = self.env.reset(), False, 0.0
            while not done:
                with torch.no_grad():
                    action = self.policy_net(torch.from_numpy(state)).sample().item()
                next_state, reward, done = self.env.step(action)
                states.append(state)
                actions.append(action)
                rewards.append([reward])
                masks.append([0.0 if done else 1.0])
                state, total = next_state, total + reward
            episode_rewards.append(total)
        return (torch.from_numpy(np.stack(states)), torch.tensor(actions),
                torch.tensor(rewards, dtype=torch.float32), torch.tensor(masks), episode_rewards)

    def learn(self, num_iter):
        for it in range(1, num_iter + 1):
            states, actions, rewards, masks, episode_rewards = self.collect()
            with torch.no_grad():
                values = self.value_net(states)
                old_log_probs = self.policy_net.get_log_prob(states, actions)
            advantages, returns = estimate_advantages(rewards, masks, values, self.gamma, self.tau)
            for _ in range(self.ppo_epochs):
                perm = torch.randperm(len(states))
                for ind in perm.split(self.mini_batch_size):
                    p_loss, v_loss = ppo_step(self.policy_net, self.value_net, self.optimizer_p, self.optimizer_v,
                                              states[ind], actions[ind], returns[ind], advantages[ind],
                                              old_log_probs[ind], self.clip_epsilon)
            if it % 5 == 0:
                print('Iter: %d, average reward: %.4f, min: %.2f, max: %.2f, value loss: %.3f' % (
                    it, np.mean(episode_rewards), min(episode_rewards), max(episode_rewards), v_loss))

    @torch.no_grad()
    def eval(self, n=100):
        totals = []
        for _ in range(n):
            state, done, total = self.env.reset(), False, 0.0
            while not done:
                action = self.policy_net(torch.from_numpy(state)).sample().item()
                state, reward, done = self.env.step(action)
                total += reward
            totals.append(total)
        return float(np.mean(totals))


if __name__ == '__main__':

    agent = PPO(GridWorld())
    agent.learn(16)
    print('RESULT ' + json.dumps({'average_reward': agent.eval()}))
