"""Next-item retrieval over a catalogue of 6,000 items with sampled softmax and logQ correction."""
import argparse
import json
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
parser.add_argument("--items", type=int, default=6000)
parser.add_argument("--shelves", type=int, default=100)
parser.add_argument("--dim", type=int, default=16)
parser.add_argument("--batch", type=int, default=1024)
parser.add_argument("--negatives", type=int, default=256)
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()

torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)
torch.set_num_threads(1)

# --- sessions: after an item from shelf s the next is from shelf nxt[s] with probability .85
per = args.items // args.shelves
label = rng.permutation(args.items).reshape(args.shelves, per)          # item ids on each shelf
shelf_of = np.empty(args.items, int)
shelf_of[label.reshape(-1)] = np.repeat(np.arange(args.shelves), per)
zipf = 1 / np.arange(1, per + 1) ** 1.0
zipf /= zipf.sum()
nxt = rng.permutation(args.shelves)
STICK = 0.85


def pairs(n):
    a = label[rng.integers(args.shelves, size=n), rng.choice(per, n, p=zipf)]
    target_shelf = np.where(rng.random(n) < STICK, nxt[shelf_of[a]], rng.integers(args.shelves, size=n))
    b = label[target_shelf, rng.choice(per, n, p=zipf)]
    return torch.as_tensor(a), torch.as_tensor(b)


train_a, train_b = pairs(180_000)
test_a, test_b = pairs(10_000)
ceiling = (STICK + (1 - STICK) / args.shelves) * zipf[:10].sum()        # Bayes recall@10

counts = torch.bincount(train_b, minlength=args.items).float() + 1
q = counts / counts.sum()
log_q = q.log()


class TwoTower(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Embedding(args.items, args.dim, sparse=True)
        self.item = nn.Embedding(args.items, args.dim, sparse=True)
        self.bias = nn.Embedding(args.items, 1, sparse=True)
        nn.init.normal_(self.query.weight, std=0.1)
        nn.init.normal_(self.item.weight, std=0.1)
        with torch.no_grad():
            self.bias.weight.copy_(log_q[:, None])

    def scores(self, a, items):
        return self.query(a) @ self.item(items).T + self.bias(items).squeeze(1)


model = TwoTower()
opt = torch.optim.SparseAdam(list(model.parameters()), lr=0.01)


def recall_at_10():
    with torch.no_grad():
        s = model.query(test_a) @ model.item.weight.T + model.bias.weight.squeeze(1)
        full = F.cross_entropy(s, test_b).item()
        top = s.topk(10, dim=1).indices
    return (top == test_b[:, None]).any(1).float().mean().item(), full


start = time.time()
for epoch in range(args.epochs):
    for group in opt.param_groups:
        group["lr"] = 0.01 * (1 - epoch / args.epochs)
    perm = torch.randperm(len(train_a))
    total, n = 0.0, 0
    for idx in perm.split(args.batch):
        a, b = train_a[idx], train_b[idx]
        neg = torch.multinomial(q, args.negatives, replacement=True)
        # the positive's own column, then the shared negatives; both corrected by log expected count
        pos = (model.query(a) * model.item(b)).sum(1) + model.bias(b).squeeze(1)
        logits = torch.cat([(pos - log_q[b])[:, None], model.scores(a, neg) - log_q[neg]], 1)
        hit = torch.cat([torch.zeros(len(a), 1, dtype=torch.bool), neg[None] == b[:, None]], 1)
        logits = logits.masked_fill(hit, -1e9)
        loss = F.cross_entropy(logits, torch.zeros(len(a), dtype=torch.long))
        opt.zero_grad()
        loss.backward()
        opt.step()
        total, n = total + loss.item(), n + 1
    r, full = recall_at_10()
    print(f"epoch {epoch}: sampled loss {total / n:.4f}  full softmax test loss {full:.4f}  "
          f"recall@10 {r:.4f}  ({time.time() - start:.1f}s)")

popular = counts.topk(10).indices
base = (popular[None] == test_b[:, None]).any(1).float().mean().item()
print(f"Bayes recall@10 {ceiling:.4f}, most popular ten {base:.4f}")
print("RESULT " + json.dumps({"metric": "recall_at_10", "value": round(r, 4), "good": bool(r > 0.85 * ceiling)}))
