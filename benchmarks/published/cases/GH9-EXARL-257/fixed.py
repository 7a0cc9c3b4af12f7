import copy
import json
import math
import random
import sys
from collections import deque

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
random.seed(seed)


class PoleEnv:
    """cart and pole, the action is a force between -1 and 1"""

    def reset(self):
        self.s = [random.uniform(-0.05, 0.05) for _ in range(4)]
        self.t = 0
        return list(self.s)

    def step(self, action):
        x, xd, th, thd = self.s
        force = 10.0 * max(-1.0, min(1.0, action))
        c, s = math.cos(th), math.sin(th)
        tmp = (force + 0.05 * thd * thd * s) / 1.1
        tha = (9.8 * s - c * tmp) / (0.5 * (4.0 / 3.0 - 0.1 * c * c / 1.1))
        xa = tmp - 0.05 * tha * c / 1.1
        self.s = [x + 0.02 * xd, xd + 0.02 * xa, th + 0.02 * thd, thd + 0.02 * tha]
        self.t += 1
        fallen = abs(self.s[0]) > 2.4 or abs(self.s[2]) > 0.21
        return list(self.s), 1.0, fallen, self.t >= 200


def mlp(i, o):
    return nn.Sequential(nn.Linear(i, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, o))


class DDPG:
    def __init__(self, gamma=0.98, tau=0.01):
        self.actor, self.critic = mlp(4, 1), mlp(5, 1)
        self.target_actor, self.target_critic = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self.a_opt = torch.optim.Adam(self.actor.parameters(), lr=1e-3)
        self.c_opt = torch.optim.Adam(self.critic.parameters(), lr=2e-3)
        self.memory = deque(maxlen=20000)
        self.gamma, self.tau = gamma, tau

    def action(self, state, noise=0.0):
        with torch.no_grad():
            a = torch.tanh(self.actor(torch.tensor(state))).item()
        return max(-1.0, min(1.0, a + random.gauss(0, noise))) if noise else a

    def train(self, batch_size=64):
        batch = random.sample(self.memory, batch_size)
        state, act, reward, next_state, done = (torch.tensor(v, dtype=torch.float32) for v in zip(*batch))
        act, reward, done = act.view(-1, 1), reward.view(-1, 1), done.view(-1, 1)
        with torch.no_grad():
            next_action = torch.tanh(self.target_actor(next_state))
            next_q = self.target_critic(torch.cat([next_state, next_action], 1))
            q_target = reward + self.gamma * (1 - done) * next_q
        critic_loss = F.mse_loss(self.critic(torch.cat([state, act], 1)), q_target)
        self.c_opt.zero_grad()
        critic_loss.backward()
        self.c_opt.step()

        actor_loss = -self.critic(torch.cat([state, torch.tanh(self.actor(state))], 1)).mean()
        self.a_opt.zero_grad()
        actor_loss.backward()
        self.a_opt.step()
        with torch.no_grad():
            for net, target in ((self.actor, self.target_actor), (self.critic, self.target_critic)):
                for p, tp in zip(net.parameters(), target.parameters()):
                    tp.mul_(1 - self.tau).add_(self.tau * p)
        return critic_loss.item()


env, agent = PoleEnv(), DDPG()
state, length, lengths, loss = env.reset(), 0, [], 0.0
for step in range(1, 5001):
    a = random.uniform(-1, 1) if step < 500 else agent.action(state, 0.3)
    nxt, r, fallen, timeout = env.step(a)
    agent.memory.append((state, a, r, nxt, float(fallen)))
    state = nxt
    length += 1
    if fallen or timeout:
        lengths.append(length)
        state, length = env.reset(), 0
    if step >= 500:
        loss = agent.train()
    if step % 500 == 0:
        last = lengths[-10:]
        print(f"step {step} mean episode {sum(last) / len(last):.1f} critic loss {loss:.4f}")

scores = []
for _ in range(10):
    s, n, over = env.reset(), 0, False
    while not over:
        s, _, fallen, timeout = env.step(agent.action(s))
        n += 1
        over = fallen or timeout
    scores.append(n)
print("RESULT", json.dumps({"metric": "fraction_of_200_steps", "value": sum(scores) / len(scores) / 200}))
