"""Policy network for 2048 (3x3 board), after Karpathy's "Pong from pixels"."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

SIZE = 3
CHANNELS = 10
GAMES_PER_BATCH = 64
BATCHES = 60


def build_row_table():
    """Result of sliding one row to the left: new row and the points gained."""
    left = np.zeros((CHANNELS ** SIZE, SIZE), dtype=np.int64)
    points = np.zeros(CHANNELS ** SIZE)
    for code in range(CHANNELS ** SIZE):
        row = [code // CHANNELS ** 2, code // CHANNELS % CHANNELS, code % CHANNELS]
        tiles, out, gained = [t for t in row if t], [], 0
        while tiles:
            t = tiles.pop(0)
            if tiles and tiles[0] == t and t < CHANNELS - 1:
                tiles.pop(0)
                t += 1
                gained += 2 ** t
            out.append(t)
        left[code] = out + [0] * (SIZE - len(out))
        points[code] = gained
    return left, points


LEFT, POINTS = build_row_table()


def slide(boards, move):
    """boards: (n, 3, 3) exponents; move: 0 left, 1 up, 2 right, 3 down."""
    b = np.rot90(boards, move, axes=(1, 2))
    code = b[:, :, 0] * CHANNELS ** 2 + b[:, :, 1] * CHANNELS + b[:, :, 2]
    return np.rot90(LEFT[code], -move, axes=(1, 2)), POINTS[code].sum(1)


def spawn(boards, which):
    for i in which:
        free = np.flatnonzero(boards[i].ravel() == 0)
        if len(free):
            r, c = divmod(np.random.choice(free), SIZE)
            boards[i, r, c] = 1 if np.random.rand() < 0.9 else 2


class PolicyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(SIZE * SIZE * CHANNELS, 128)
        self.fc2 = nn.Linear(128, 4)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        return torch.softmax(self.fc2(x), dim=1)


def encode(boards):
    return torch.from_numpy(np.eye(CHANNELS, dtype=np.float32)[boards].reshape(len(boards), -1))


def play(policy, n_games, greedy=False):
    boards = np.zeros((n_games, SIZE, SIZE), dtype=np.int64)
    spawn(boards, range(n_games)); spawn(boards, range(n_games))
    alive = np.ones(n_games, dtype=bool)
    score = np.zeros(n_games)
    states, actions, owner = [], [], []
    gained_log, step_log = [], []
    step = 0
    while alive.any() and step < 400:
        ids = np.flatnonzero(alive)
        moved = [slide(boards[ids], m) for m in range(4)]
        legal = np.stack([(nb != boards[ids]).any((1, 2)) for nb, _ in moved], axis=1)
        dead = ~legal.any(1)
        alive[ids[dead]] = False
        keep = ~dead
        if not keep.any():
            break
        live = ids[keep]
        x = encode(boards[live])
        with torch.no_grad():
            p = policy(x).numpy() * legal[keep] + 1e-8 * legal[keep]
        p = p / p.sum(1, keepdims=True)
        if greedy:
            a = p.argmax(1)
        else:
            a = (p.cumsum(1) > np.random.rand(len(p), 1)).argmax(1)
        new = np.stack([moved[m][0][keep][i] for i, m in enumerate(a)])
        gain = np.array([moved[m][1][keep][i] for i, m in enumerate(a)])
        boards[live] = new
        score[live] += gain
        spawn(boards, live)
        states.append(x); actions.append(a); owner.append(live)
        gained_log.append(gain); step_log.append(np.full(len(live), step))
        step += 1
    return score, torch.cat(states), np.concatenate(actions), np.concatenate(owner), \
        np.concatenate(gained_log), np.concatenate(step_log)


def returns(owner, gains, steps, n_games, gamma=0.95):
    grid = np.zeros((steps.max() + 2, n_games))
    grid[steps, owner] = gains
    for t in range(len(grid) - 2, -1, -1):
        grid[t] += gamma * grid[t + 1]
    r = grid[steps, owner]
    return (r - r.mean()) / (r.std() + 1e-8)


policy = PolicyNet()
optimizer = optim.Adam(policy.parameters(), lr=3e-3)
smoothed = None
for batch in range(1, BATCHES + 1):
    score, states, taken, owner, gains, steps = play(policy, GAMES_PER_BATCH)
    reward = torch.from_numpy(returns(owner, gains, steps, GAMES_PER_BATCH).astype(np.float32)).unsqueeze(1)
    action = torch.eye(4)[torch.from_numpy(taken)]
    net_output = policy(states)
    loss = torch.sum((action - net_output) * reward) / len(reward)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    smoothed = score.mean() if smoothed is None else 0.9 * smoothed + 0.1 * score.mean()
    if batch % 10 == 0:
        print("batch %3d  loss %.4f  mean score %.1f  (running %.1f)" % (batch, loss.item(), score.mean(), smoothed))

final = play(policy, 300, greedy=False)[0].mean()
print("mean score of 300 games: %.1f" % final)
print("RESULT " + json.dumps({"metric": "mean_score", "value": round(float(final), 2)}))
