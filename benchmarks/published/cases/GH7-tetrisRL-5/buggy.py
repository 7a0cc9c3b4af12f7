import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

W, GAMMA, BATCH_SIZE, TARGET_UPDATE = 6, 0.95, 64, 100
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]
GOAL = (4, 4)
HOLES = {(1, 1), (2, 3), (4, 1), (3, 4)}


def step(pos, a):
    nxt = (min(max(pos[0] + MOVES[a][0], 0), W - 1), min(max(pos[1] + MOVES[a][1], 0), W - 1))
    if nxt == GOAL:
        return nxt, 1.0, True
    if nxt in HOLES:
        return nxt, -1.0, True
    return nxt, -0.02, False


def start():
    while True:
        p = (random.randrange(W), random.randrange(W))
        if p != GOAL and p not in HOLES:
            return p


def encode(pos):
    v = np.zeros(2 * W, dtype="float32")
    v[pos[0]] = v[W + pos[1]] = 1.0
    return v


class ReplayMemory:
    def __init__(self, size):
        self.data = []
        while len(self.data) < size:
            p, done, n = start(), False, 0
            while not done and n < 30:
                a = random.randrange(4)
                q, r, done = step(p, a)
                self.data.append((encode(p), a, r, encode(q), done))
                p, n = q, n + 1
        s, a, r, s2, d = zip(*self.data)
        self.t = (torch.tensor(np.array(s)), torch.tensor(a), torch.tensor(r), torch.tensor(np.array(s2)), torch.tensor(d))

    def sample(self, k):
        idx = torch.randint(len(self.data), (k,))
        return [x[idx] for x in self.t]


class DQN(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin1 = nn.Linear(2 * W, 96)
        self.lin2 = nn.Linear(96, 96)
        self.head = nn.Linear(96, 4)

    def forward(self, x):
        return self.head(F.relu(self.lin2(F.relu(self.lin1(x)))))


policy_net, target_net = DQN(), DQN()
target_net.load_state_dict(policy_net.state_dict())
optimizer = torch.optim.Adam(policy_net.parameters(), lr=1e-3)
memory = ReplayMemory(6000)


def optimize_model():
    state, action, reward, next_state, done = memory.sample(BATCH_SIZE)
    state_action_values = policy_net(state).gather(1, action.unsqueeze(1))
    next_state_values = torch.zeros(BATCH_SIZE)
    with torch.no_grad():
        next_state_values[~done] = target_net(next_state[~done]).max(1).values
    expected_state_action_values = next_state_values * GAMMA + reward
    loss = F.smooth_l1_loss(state_action_values, expected_state_action_values)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def evaluate(episodes=100):
    total = 0.0
    for _ in range(episodes):
        p, done, n = start(), False, 0
        while not done and n < 30:
            a = policy_net(torch.from_numpy(encode(p)).unsqueeze(0)).argmax(1).item()
            p, r, done = step(p, a)
            total, n = total + r, n + 1
    return total / episodes


losses = []
for it in range(1, 3001):
    losses.append(optimize_model())
    if it % TARGET_UPDATE == 0:
        target_net.load_state_dict(policy_net.state_dict())
    if it % 500 == 0:
        print(f"iteration {it} loss {np.mean(losses[-500:]):.5f} return {evaluate():.3f}")

score = evaluate(300)
print("RESULT", json.dumps({"metric": "mean_return", "value": score}))
