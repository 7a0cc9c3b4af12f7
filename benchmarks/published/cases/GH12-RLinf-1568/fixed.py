import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


class ReachEnv:
    """Vectorised grid-free reaching task: move the gripper to the goal in 16 steps."""
    moves = torch.tensor([[0.0, 0.0], [0.15, 0.0], [-0.15, 0.0], [0.0, 0.15], [0.0, -0.15]])

    def __init__(self, num_envs, horizon=16):
        self.num_envs, self.horizon = num_envs, horizon

    def reset(self):
        self.pos = torch.rand(self.num_envs, 2) * 2 - 1
        self.goal = torch.rand(self.num_envs, 2) * 2 - 1
        self.t = 0
        return self.obs()

    def obs(self):
        left = torch.full((self.num_envs, 1), 1 - 2 * self.t / self.horizon)
        return torch.cat([self.pos, self.goal, self.goal - self.pos, left], dim=1)

    def step(self, action):
        self.pos = (self.pos + self.moves[action] + 0.02 * torch.randn_like(self.pos)).clamp(-1, 1)
        self.t += 1
        reward = -0.3 * (self.pos - self.goal).norm(dim=1, keepdim=True)  # [B, 1]
        return self.obs(), reward, self.t >= self.horizon


class ValueHead(nn.Module):
    def __init__(self, dim, hidden=64):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, feature):
        return self.mlp(feature)


class Policy(nn.Module):
    def __init__(self, obs_dim=7, act_dim=5, hidden=64):
        super().__init__()
        self.actor_net = nn.Sequential(nn.Linear(obs_dim, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.critic_net = nn.Sequential(nn.Linear(obs_dim, hidden), nn.Tanh())
        self.actor = nn.Linear(hidden, act_dim)
        self.value_head = ValueHead(hidden)
        nn.init.orthogonal_(self.actor.weight, 0.01)
        nn.init.zeros_(self.actor.bias)

    @torch.no_grad()
    def predict_action(self, obs):
        dist = Categorical(logits=self.actor(self.actor_net(obs)))
        action = dist.sample()
        values = self.value_head(self.critic_net(obs))  # [B, 1]
        return action, dist.log_prob(action), values

    def default_forward(self, obs, action):
        dist = Categorical(logits=self.actor(self.actor_net(obs)))
        values = self.value_head(self.critic_net(obs))  # [B, 1]
        return dict(logprobs=dist.log_prob(action), entropy=dist.entropy(), values=values)


def compute_gae(rewards, values, gamma=0.97, lam=0.95):
    T = rewards.shape[0]
    adv, last = torch.zeros_like(rewards), 0.0
    for t in reversed(range(T)):
        next_value = values[t + 1] if t + 1 < T else torch.zeros_like(values[0])
        delta = rewards[t] + gamma * next_value - values[t]
        last = delta + gamma * lam * last
        adv[t] = last
    return adv, adv + values


def compute_ppo_actor_loss(logprobs, old_logprobs, advantages, clip_ratio=0.2):
    ratio = torch.exp(logprobs - old_logprobs)
    surr1 = ratio * advantages
    surr2 = ratio.clamp(1 - clip_ratio, 1 + clip_ratio) * advantages
    return -torch.min(surr1, surr2).mean()


def huber_loss(error, delta=10.0):
    return torch.where(error.abs() < delta, 0.5 * error ** 2, delta * (error.abs() - 0.5 * delta))


def compute_ppo_critic_loss(values, returns, prev_values, value_clip=2.0):
    value_pred_clipped = prev_values + (values - prev_values).clamp(-value_clip, value_clip)
    value_loss_original = huber_loss(returns - values)
    value_loss_clipped = huber_loss(returns - value_pred_clipped)
    value_clip_ratio = ((values - prev_values).abs() > value_clip).float().mean().item()
    return torch.max(value_loss_original, value_loss_clipped).mean(), value_clip_ratio


@torch.no_grad()
def rollout(env, policy):
    obs, done = env.reset(), False
    buf = {k: [] for k in ("obs", "action", "logprobs", "values", "rewards")}
    while not done:
        action, logprob, value = policy.predict_action(obs)
        next_obs, reward, done = env.step(action)
        for k, v in zip(buf, (obs, action, logprob, value, reward)):
            buf[k].append(v)
        obs = next_obs
    return {k: torch.stack(v) for k, v in buf.items()}


env = ReachEnv(num_envs=64)
policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
num_iters, update_epochs, mini_batch = 100, 4, 256

for it in range(num_iters):
    batch = rollout(env, policy)
    adv, ret = compute_gae(batch["rewards"], batch["values"])
    flat = {k: v.flatten(0, 1) for k, v in batch.items()}
    returns = ret.flatten(0, 1)                 # [B, 1]
    advantages = adv.flatten()                  # [B]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)

    for _ in range(update_epochs):
        for idx in torch.randperm(len(advantages)).split(mini_batch):
            out = policy.default_forward(flat["obs"][idx], flat["action"][idx])
            actor_loss = compute_ppo_actor_loss(out["logprobs"], flat["logprobs"][idx], advantages[idx])
            critic_loss, clip_ratio = compute_ppo_critic_loss(out["values"], returns[idx], flat["values"][idx])
            loss = actor_loss + 0.5 * critic_loss - 0.005 * out["entropy"].mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 5.0)
            optimizer.step()
    if it % 10 == 0 or it == num_iters - 1:
        print(f"iter {it:3d} return {batch['rewards'].sum(0).mean().item():.3f} actor {actor_loss.item():.4f} "
              f"critic {critic_loss.item():.4f} value_clip_ratio {clip_ratio:.3f}")

# how well does the critic predict the discounted return of fresh episodes?
batch = rollout(ReachEnv(num_envs=512), policy)
G, acc = torch.zeros_like(batch["rewards"]), 0.0
for t in reversed(range(len(G))):
    acc = batch["rewards"][t] + 0.97 * acc
    G[t] = acc
ev = 1 - (G - batch["values"]).var() / G.var()
print(f"mean return {batch['rewards'].sum(0).mean().item():.3f}")
print("RESULT " + json.dumps({"metric": "explained variance of the critic", "value": ev.item()}))
