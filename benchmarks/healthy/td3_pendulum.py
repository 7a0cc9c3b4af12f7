"""TD3 on a pendulum swing-up: twin critics, target smoothing, delayed actor; eight pendulums step together.

Modelled after Fujimoto's sfujim/TD3 and OpenAI Spinning Up's TD3 (own code, Gym's Pendulum-v1 dynamics rewritten in torch).
"""
import copy
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class Pendulum:
    def __init__(self, n):
        self.n = n
        self.reset()

    def reset(self):
        self.th = (torch.rand(self.n) * 2 - 1) * math.pi
        self.thdot = torch.rand(self.n) * 2 - 1
        self.t = 0
        return self.obs()

    def obs(self):
        return torch.stack([self.th.cos(), self.th.sin(), self.thdot / 8], 1)

    def step(self, a):
        u = 2 * a.squeeze(1).clamp(-1, 1)
        ang = (self.th + math.pi) % (2 * math.pi) - math.pi
        cost = ang ** 2 + 0.1 * self.thdot ** 2 + 0.001 * u ** 2
        self.thdot = (self.thdot + (15 * torch.sin(self.th) + 3 * u) * 0.05).clamp(-8, 8)
        self.th = self.th + self.thdot * 0.05
        self.t += 1
        return self.obs(), -cost[:, None], self.t >= 200


def mlp(i, o, h=64):
    return nn.Sequential(nn.Linear(i, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, o))


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = mlp(3, 1)

    def forward(self, s):
        return torch.tanh(self.net(s))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.q1, self.q2 = mlp(4, 1), mlp(4, 1)

    def forward(self, s, a):
        sa = torch.cat([s, a], 1)
        return self.q1(sa), self.q2(sa)


class Replay:
    def __init__(self, size):
        self.s, self.s2 = torch.zeros(size, 3), torch.zeros(size, 3)
        self.a, self.r = torch.zeros(size, 1), torch.zeros(size, 1)
        self.size, self.ptr, self.full = size, 0, 0

    def add(self, s, a, r, s2):
        i = (self.ptr + torch.arange(len(s))) % self.size
        self.s[i], self.a[i], self.r[i], self.s2[i] = s, a, r, s2
        self.ptr = (self.ptr + len(s)) % self.size
        self.full = min(self.full + len(s), self.size)

    def sample(self, n):
        i = torch.randint(self.full, (n,))
        return self.s[i], self.a[i], self.r[i], self.s2[i]


class TD3:
    def __init__(self, lr=2e-3, gamma=0.98, tau=0.01, policy_noise=0.2, noise_clip=0.5, policy_freq=2, reward_scale=0.1):
        self.actor, self.critic = Actor(), Critic()
        self.actor_t, self.critic_t = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self.opt_a = torch.optim.Adam(self.actor.parameters(), lr=lr)
        self.opt_c = torch.optim.Adam(self.critic.parameters(), lr=lr)
        self.gamma, self.tau, self.reward_scale = gamma, tau, reward_scale
        self.policy_noise, self.noise_clip, self.policy_freq = policy_noise, noise_clip, policy_freq
        self.it = 0

    def train(self, batch):
        s, a, r, s2 = batch
        self.it += 1
        with torch.no_grad():
            noise = (torch.randn_like(a) * self.policy_noise).clamp(-self.noise_clip, self.noise_clip)
            a2 = (self.actor_t(s2) + noise).clamp(-1, 1)
            # the time limit is no terminal state, so every step is bootstrapped
            target = self.reward_scale * r + self.gamma * torch.min(*self.critic_t(s2, a2))
        q1, q2 = self.critic(s, a)
        loss_c = F.mse_loss(q1, target) + F.mse_loss(q2, target)
        self.opt_c.zero_grad()
        loss_c.backward()
        self.opt_c.step()
        if self.it % self.policy_freq == 0:
            loss_a = -self.critic.q1(torch.cat([s, self.actor(s)], 1)).mean()
            self.opt_a.zero_grad()
            loss_a.backward()
            self.opt_a.step()
            with torch.no_grad():
                for net, tgt in ((self.actor, self.actor_t), (self.critic, self.critic_t)):
                    for p, pt in zip(net.parameters(), tgt.parameters()):
                        pt.lerp_(p, self.tau)
        return loss_c.item()


@torch.no_grad()
def evaluate(actor, n=64):
    env = Pendulum(n)
    s, done, ret = env.obs(), False, torch.zeros(n, 1)
    while not done:
        s, r, done = env.step(actor(s))
        ret += r
    return ret.mean().item()


def main(seed):
    torch.manual_seed(seed)
    env, agent, buf = Pendulum(8), TD3(), Replay(50_000)
    s, closs = env.obs(), 0.0
    for step in range(1, 4001):
        with torch.no_grad():
            a = torch.rand(8, 1) * 2 - 1 if step < 200 else (agent.actor(s) + 0.1 * torch.randn(8, 1)).clamp(-1, 1)
        s2, r, done = env.step(a)
        buf.add(s, a, r, s2)
        s = env.reset() if done else s2
        if step >= 200:
            closs = 0.99 * closs + 0.01 * agent.train(buf.sample(128))
        if step % 500 == 0:
            ret = evaluate(agent.actor)
            print(f"step {step} critic loss {closs:.3f} evaluation return {ret:.1f}")
    final = evaluate(agent.actor, 256)
    print("RESULT", json.dumps({"metric": "mean_return", "value": round(final, 5), "good": bool(final >= -220)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
