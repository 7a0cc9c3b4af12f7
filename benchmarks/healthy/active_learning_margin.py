"""Pool-based active learning: start from 40 labels, buy 40 at a time where the margin is smallest.

Each round trains a fresh network, so the loss jumps back up at every round. A second run that buys at random
has the same budget and shows what the choice is worth.
"""
import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

torch.set_num_threads(1)
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
START, BUY, ROUNDS = 40, 40, 8

digits = load_digits()
X = (digits.data / 16.0).astype(np.float32)
X_pool, X_test, y_pool, y_test = train_test_split(X, digits.target, test_size=500, stratify=digits.target, random_state=SEED)
X_pool, X_test, y_pool, y_test = map(torch.from_numpy, (X_pool, X_test, y_pool, y_test))


def train_fresh(x, y, gen_seed, steps=350):
    torch.manual_seed(gen_seed)
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))
    opt = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.05)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    ce = nn.CrossEntropyLoss()
    net.train()
    for _ in range(steps):
        b = torch.randint(0, len(x), (32,))
        loss = ce(net(x[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    net.eval()
    return net, loss.item()


@torch.no_grad()
def margins(net, x):
    top = net(x).softmax(-1).topk(2, dim=-1).values
    return top[:, 0] - top[:, 1]


@torch.no_grad()
def score(net):
    return (net(X_test).argmax(1) == y_test).float().mean().item()


def campaign(strategy):
    rng = np.random.default_rng(SEED)
    known = list(rng.choice(len(X_pool), START, replace=False))
    for r in range(ROUNDS):
        net, last = train_fresh(X_pool[known], y_pool[known], gen_seed=1000 * SEED + r)
        acc = score(net)
        print(f"{strategy:7s} round {r} labels {len(known):3d} last batch loss {last:.4f} test acc {acc:.4f}")
        if r == ROUNDS - 1:
            return acc
        left = np.setdiff1d(np.arange(len(X_pool)), known)
        if strategy == "margin":
            pick = left[margins(net, X_pool[left]).argsort()[:BUY].numpy()]
        else:
            pick = rng.choice(left, BUY, replace=False)
        known += list(pick)


random_acc = campaign("random")
margin_acc = campaign("margin")
full, _ = train_fresh(X_pool, y_pool, gen_seed=SEED, steps=1500)
full_acc = score(full)
print(f"320 labels at random {random_acc:.4f}, by margin {margin_acc:.4f}; all {len(X_pool)} labels {full_acc:.4f}")
print("RESULT " + json.dumps({"metric": "accuracy_with_320_bought_labels", "value": round(margin_acc, 4),
                              "good": bool(margin_acc >= 0.955 and margin_acc > random_acc and margin_acc > full_acc - 0.02)}))
