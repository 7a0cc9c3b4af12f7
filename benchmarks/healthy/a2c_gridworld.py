"""Synchronous advantage actor-critic in a slippery grid world whose optimal value is known from value iteration."""
import json
import sys

import torch
import torch.nn as nn
from torch.distributions import Categorical

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

MAP = ["S..#...",
       ".#.#.#.",
       ".#...#.",
       "..X#...",
       "#..#.#.",
       "...X..G"]
ROWS, COLS = len(MAP), len(MAP[0])
S = ROWS * COLS
GAMMA, SLIP, STEP_COST = 0.97, 0.1, -0.02
MOVES = [(-1, 0), (0, 1), (1, 0), (0, -1)]
cell = lambda s: MAP[s // COLS][s % COLS]
FREE = [s for s in range(S) if cell(s) in "S."]
START = next(s for s in range(S) if cell(s) == "S")


def build_mdp():
    """P[s, a, s'] and R[s'] (reward on arrival); goal +1 and pit -1 end the episode."""
    nxt = torch.zeros(S, 4, dtype=torch.long)
    for s in range(S):
        for a, (dr, dc) in enumerate(MOVES):
            r, c = s // COLS + dr, s % COLS + dc
            t = r * COLS + c if 0 <= r < ROWS and 0 <= c < COLS and MAP[r][c] != "#" else s
            nxt[s, a] = t
    P = torch.zeros(S, 4, S)
    for s in FREE:
        for a in range(4):
            for b in range(4):
                P[s, a, nxt[s, b]] += SLIP / 4 + (1 - SLIP) * (a == b)
    R = torch.full((S,), STEP_COST)
    done = torch.zeros(S, dtype=torch.bool)
    for s in range(S):
        if cell(s) in "GX":
            R[s] = 1.0 if cell(s) == "G" else -1.0
            done[s] = True
    return P, R, done


P, R, DONE = build_mdp()
ALIVE = (~DONE).float()


def optimal_value():
    v = torch.zeros(S)
    for _ in range(1000):
        v = (P @ (R + GAMMA * ALIVE * v)).max(1).values
    return v


def policy_value(pi):
    Ppi = torch.einsum("sa,sat->st", pi, P)
    return torch.linalg.solve(torch.eye(S) - GAMMA * Ppi * ALIVE, Ppi @ R)


class ActorCritic(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(S, hidden), nn.Tanh())
        self.actor = nn.Linear(hidden, 4)
        self.critic = nn.Linear(hidden, 1)
        nn.init.orthogonal_(self.actor.weight, 0.01)
        nn.init.zeros_(self.actor.bias)

    def forward(self, s):
        h = self.body(nn.functional.one_hot(s, S).float())
        return self.actor(h), self.critic(h).squeeze(-1)


ENVS, HORIZON, UPDATES, MAX_LEN = 64, 8, 1000, 100
free = torch.tensor(FREE)
state = free[torch.randint(0, len(free), (ENVS,))]              # exploring starts
age = torch.zeros(ENVS, dtype=torch.long)
model = ActorCritic()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.05, UPDATES)
v_star = optimal_value()
episode_return, finished = torch.zeros(ENVS), []

for update in range(1, UPDATES + 1):
    log_probs, values, entropies, rewards, conts = [], [], [], [], []
    for _ in range(HORIZON):
        logits, value = model(state)
        dist = Categorical(logits=logits)
        action = dist.sample()
        nxt = torch.multinomial(P[state, action], 1).squeeze(1)
        reward, ended = R[nxt], DONE[nxt]
        age += 1
        timeout = age >= MAX_LEN
        log_probs.append(dist.log_prob(action))
        values.append(value)
        entropies.append(dist.entropy())
        with torch.no_grad():                                   # a time limit is no terminal state: bootstrap there
            boot = GAMMA * model(nxt)[1] * (timeout & ~ended)
        rewards.append(reward + boot)
        over = ended | timeout
        conts.append((~over).float())
        episode_return += reward
        finished += episode_return[over].tolist()
        episode_return[over] = 0.0
        age[over] = 0
        fresh = free[torch.randint(0, len(free), (ENVS,))]
        state = torch.where(over, fresh, nxt)
    with torch.no_grad():
        ret = model(state)[1]
    returns = []
    for r, c in zip(reversed(rewards), reversed(conts)):
        ret = r + GAMMA * c * ret
        returns.insert(0, ret)
    returns, values = torch.stack(returns), torch.stack(values)
    advantage = (returns - values).detach()
    policy_loss = -(torch.stack(log_probs) * advantage).mean()
    value_loss = (returns - values).pow(2).mean()
    entropy = torch.stack(entropies).mean()
    bonus = 0.02 * (1 - update / UPDATES)
    loss = policy_loss + 0.5 * value_loss - bonus * entropy
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    opt.step()
    sched.step()
    if update % 100 == 0:
        recent = sum(finished[-300:]) / max(1, len(finished[-300:]))
        print(f"update {update:4d}  policy {policy_loss.item():+.4f}  value {value_loss.item():.4f}  entropy {entropy.item():.3f}  mean return {recent:.3f}")

with torch.no_grad():
    pi = model(torch.arange(S))[0].softmax(-1)
    v_pi = policy_value(pi)
    v_rand = policy_value(torch.full((S, 4), 0.25))
share = ((v_pi[free] - v_rand[free]).mean() / (v_star[free] - v_rand[free]).mean()).item()
print(f"value at the start: optimal {v_star[START]:.4f}, learned policy {v_pi[START]:.4f}, random {v_rand[START]:.4f}; share of the optimum over all cells {share:.4f}")
print("RESULT", json.dumps({"share_of_optimal": round(share, 4), "good": bool(share > 0.97 and v_pi[START] > v_star[START] - 0.05)}))
