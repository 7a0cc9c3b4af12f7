# %% setup
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# %% data: does the sequence contain "a ... b" in this order
V, T = 16, 12


def make(n):
    x = torch.randint(2, V, (n, T))
    p = torch.stack([torch.randperm(T)[:2] for _ in range(n)])
    x[torch.arange(n), p[:, 0]] = 0
    x[torch.arange(n), p[:, 1]] = 1
    return x, (p[:, 0] < p[:, 1]).long()


train_x, train_y = make(3000)
test_x, test_y = make(1000)


# %% model
class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.att = nn.MultiheadAttention(d, heads, batch_first=True)
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.ff = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, x):
        h = self.ln1(x)
        x = x + self.att(h, h, h, need_weights=False)[0]
        return x + self.ff(self.ln2(x))


class TransformerClassifier(nn.Module):
    def __init__(self, d=32, max_len=64):
        super().__init__()
        self.tok = nn.Embedding(V, d)
        self.pos = nn.Embedding(max_len, d)
        self.blocks = nn.ModuleList([Block(d, 4) for _ in range(2)])
        self.head = nn.Linear(d, 2)

    def forward(self, x):
        pos = torch.arange(x.size(0), device=x.device).unsqueeze(1)
        h = self.tok(x) + self.pos(pos)
        for b in self.blocks:
            h = b(h)
        return self.head(h.mean(1))


# %% training
model = TransformerClassifier()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(8):
    model.train()
    order = torch.randperm(len(train_x))
    tot = 0.0
    for k in range(0, len(order), 50):
        i = order[k:k + 50]
        loss = F.cross_entropy(model(train_x[i]), train_y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(i)
    model.eval()
    with torch.no_grad():
        acc = sum((model(test_x[k:k + 50]).argmax(1) == test_y[k:k + 50]).sum().item() for k in range(0, 1000, 50)) / 1000
    print(f"epoch {epoch} loss {tot / len(order):.4f} test acc {acc:.3f}")

# %% result
print("RESULT", json.dumps({"metric": "accuracy", "value": float(acc)}))
