"""DQN with a replay buffer and a target network on a 5x5 grid with a wall."""

import copy
import json
import random
import sys
from collections import deque

import torch
from torch import nn
from torch.nn import functional as F

SIZE, GOAL, WALL, LIMIT = 5, (4, 4), {(1, 1), (1, 2), (1, 3), (3, 2), (3, 3), (3, 4)}, 30
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
GAMMA, STEPS, WARMUP, BATCH, SYNC = 0.95, 4000, 200, 32, 200


def encode(cells):
    index = torch.tensor([r * SIZE + c for r, c in cells])
    return F.one_hot(index, SIZE * SIZE).float()


def move(cell, action):
    row, col = cell[0] + MOVES[action][0], cell[1] + MOVES[action][1]
    if not (0 <= row < SIZE and 0 <= col < SIZE) or (row, col) in WALL:
        row, col = cell
    done = (row, col) == GOAL
    return (row, col), (10.0 if done else -0.1), done


@torch.no_grad()
def greedy_steps(q):
    """Length of the greedy walk from the start, LIMIT if it does not arrive."""
    q.eval()
    cell = (0, 0)
    for step in range(1, LIMIT + 1):
        cell, _, done = move(cell, q(encode([cell])).argmax().item())
        if done:
            break
    q.train()
    return step


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

q = nn.Sequential(nn.Linear(SIZE * SIZE, 64), nn.ReLU(), nn.Linear(64, len(MOVES)))
target = copy.deepcopy(q).requires_grad_(False).eval()
optimizer = torch.optim.Adam(q.parameters(), lr=1e-3)
memory = deque(maxlen=2000)
cell, age = (0, 0), 0

for step in range(1, STEPS + 1):
    epsilon = max(0.1, 1 - step / 2000)
    if random.random() < epsilon:
        action = random.randrange(len(MOVES))
    else:
        with torch.no_grad():
            action = q(encode([cell])).argmax().item()
    after, reward, done = move(cell, action)
    memory.append((cell, action, reward, after, done))
    age += 1
    cell, age = ((0, 0), 0) if done or age >= LIMIT else (after, age)

    if step > WARMUP:
        cells, actions, rewards, nexts, dones = zip(*random.sample(memory, BATCH))
        with torch.no_grad():
            future = target(encode(nexts)).max(1).values * (1 - torch.tensor(dones).float())
        wanted = torch.tensor(rewards) + GAMMA * future
        value = q(encode(cells)).gather(1, torch.tensor(actions)[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(value, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if step % SYNC == 0:
        target.load_state_dict(q.state_dict())
    if step % 500 == 0:
        print(f"step {step}: loss {loss.item():.4f}, epsilon {epsilon:.2f}, greedy walk {greedy_steps(q)}")

length = greedy_steps(q)
print("RESULT", json.dumps({"metric": "greedy_walk", "value": float(length), "good": length <= 10}))
