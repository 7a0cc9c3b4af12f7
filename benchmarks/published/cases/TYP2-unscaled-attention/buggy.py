import json
import math
import sys

import torch
import torch.nn as nn


class Attention(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(dim, inner), nn.Linear(dim, inner), nn.Linear(dim, dim)
        for lin in (self.q, self.k):
            nn.init.normal_(lin.weight, std=1.0)

    def forward(self, x):
        scores = self.q(x) @ self.k(x).transpose(1, 2)
        return scores.softmax(-1) @ self.v(x)


class Model(nn.Module):
    """the last token names a key; which value came with it?"""

    def __init__(self, keys=8, values=6, dim=32):
        super().__init__()
        self.key, self.value = nn.Embedding(keys, dim), nn.Embedding(values + 1, dim)
        self.att = Attention(dim, 128)
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, values))

    def forward(self, k, v):
        h = self.key(k) + self.value(v)
        h = h + self.att(self.norm(h))
        return self.head(h[:, -1])


def data(n):
    keys = torch.argsort(torch.rand(n, 8), dim=1)[:, :6]
    values = torch.randint(0, 6, (n, 6))
    pick = torch.randint(0, 6, (n, 1))
    k = torch.cat([keys, keys.gather(1, pick)], dim=1)
    v = torch.cat([values, torch.full((n, 1), 6)], dim=1)
    return k, v, values.gather(1, pick)[:, 0]


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = Model()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(600):
    k, v, y = data(64)
    loss = nn.functional.cross_entropy(model(k, v), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 60 == 0:
        print(f"step {step}: {loss.item():.3f}")
k, v, y = data(1000)
with torch.no_grad():
    acc = (model(k, v).argmax(1) == y).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
