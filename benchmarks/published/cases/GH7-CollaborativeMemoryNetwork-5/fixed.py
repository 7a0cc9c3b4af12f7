import json
import sys
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

config = SimpleNamespace(users=300, items=200, embed_size=16, batch_size=256, learning_rate=2e-3, decay_rate=0.9,
                         momentum=0.9, l2=1e-4, neg_items=4, max_epoch=12)


def interactions():
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(config.users, 4)), rng.normal(size=(config.items, 4))
    pop = rng.normal(0, 0.5, config.items)
    score = 1.5 * u @ v.T + pop + rng.gumbel(size=(config.users, config.items))
    liked = np.argsort(-score, 1)[:, :25]
    train, test = [], []
    for user, items in enumerate(liked):
        items = rng.permutation(items)
        test.append(items[0])
        train += [(user, i) for i in items[1:]]
    return np.array(train), np.array(test)


class MatrixFactoriser(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.user = nn.Embedding(cfg.users, cfg.embed_size)
        self.item = nn.Embedding(cfg.items, cfg.embed_size)
        nn.init.normal_(self.user.weight, std=0.1)
        nn.init.normal_(self.item.weight, std=0.1)
        self.dense = nn.Linear(cfg.embed_size, cfg.embed_size)
        self.out = nn.Linear(cfg.embed_size, 1, bias=False)
        nn.init.ones_(self.out.weight)

    def forward(self, u, i):
        p, q = self.user(u), self.item(i)
        return self.out(p * q + 0.1 * F.relu(self.dense(p + q))).squeeze(-1)


train, test = interactions()
seen = np.zeros((config.users, config.items), dtype=bool)
seen[train[:, 0], train[:, 1]] = True


def sample_negatives(users):
    neg = np.random.randint(config.items, size=len(users))
    while (bad := seen[users, neg]).any():
        neg[bad] = np.random.randint(config.items, size=bad.sum())
    return neg


@torch.no_grad()
def hit_rate(model, k=20):
    model.eval()
    u = torch.arange(config.users).repeat_interleave(config.items)
    i = torch.arange(config.items).repeat(config.users)
    s = model(u, i).view(config.users, config.items).masked_fill(torch.from_numpy(seen), -1e9)
    return (s.topk(k, 1).indices == torch.from_numpy(test).unsqueeze(1)).any(1).float().mean().item()


model = MatrixFactoriser(config)
optimizer = torch.optim.RMSprop(model.parameters(), lr=config.learning_rate, momentum=config.momentum, alpha=config.decay_rate)
for epoch in range(config.max_epoch):
    model.train()
    data = np.repeat(train, config.neg_items, 0)
    np.random.shuffle(data)
    losses = []
    for k in range(0, len(data), config.batch_size):
        users, pos = data[k:k + config.batch_size].T
        neg = sample_negatives(users)
        u, p, n = map(torch.from_numpy, (users, pos, neg))
        loss = -F.logsigmoid(model(u, p) - model(u, n)).mean()
        loss = loss + config.l2 * (model.dense.weight.pow(2).sum() + model.out.weight.pow(2).sum())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"Epoch {epoch + 1}: loss {np.mean(losses):.4f} HR@20 {hit_rate(model):.4f}")

print("RESULT", json.dumps({"metric": "hit_rate", "value": hit_rate(model)}))
