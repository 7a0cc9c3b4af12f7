"""Set Transformer (induced attention blocks, pooling by attention) that counts the distinct symbols in a set.
Modelled after Lee et al. 2019 and its unique-character counting experiment."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
CLASSES, SIZE = 8, 10


class MAB(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.att = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.ln0, self.ln1 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ff = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, q, k):
        h = self.ln0(q + self.att(q, k, k, need_weights=False)[0])
        return self.ln1(h + self.ff(h))


class ISAB(nn.Module):
    def __init__(self, dim, heads, inducing):
        super().__init__()
        self.points = nn.Parameter(torch.empty(1, inducing, dim))
        nn.init.xavier_uniform_(self.points)
        self.mab0, self.mab1 = MAB(dim, heads), MAB(dim, heads)

    def forward(self, x):
        h = self.mab0(self.points.expand(len(x), -1, -1), x)
        return self.mab1(x, h)


class SetTransformer(nn.Module):
    def __init__(self, dim=32, heads=4):
        super().__init__()
        self.embed = nn.Linear(2, dim)
        self.enc = ISAB(dim, heads, 8)
        self.seed_vec = nn.Parameter(torch.empty(1, 1, dim))
        nn.init.xavier_uniform_(self.seed_vec)
        self.pool = MAB(dim, heads)
        self.head = nn.Linear(dim, CLASSES)

    def forward(self, x):
        h = self.enc(self.embed(x))
        return self.head(self.pool(self.seed_vec.expand(len(x), -1, -1), h).squeeze(1))


ANG = torch.arange(CLASSES) * 2 * torch.pi / CLASSES
PROTO = torch.stack([ANG.cos(), ANG.sin()], 1) * 1.4


def batch(n):
    """Each set shows between 1 and 8 of eight symbols, as noisy points; the label is how many."""
    k = torch.randint(1, CLASSES + 1, (n,))
    alphabet = torch.rand(n, CLASSES).argsort(1)
    slot = (torch.rand(n, SIZE) * k[:, None]).long()
    slot[:, :CLASSES] = torch.where(torch.arange(CLASSES)[None] < k[:, None],
                                    torch.arange(CLASSES)[None].expand(n, -1), slot[:, :CLASSES])
    symbols = alphabet.gather(1, slot)
    return PROTO[symbols] + 0.08 * torch.randn(n, SIZE, 2), k - 1


model = SetTransformer()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
steps = 900
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=3e-3, total_steps=steps)
vx, vy = batch(1000)
for step in range(1, steps + 1):
    model.train()
    x, y = batch(64)
    loss = F.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    sched.step()
    if step % 100 == 0:
        model.eval()
        with torch.no_grad():
            out = model(vx)
            vl, acc = F.cross_entropy(out, vy).item(), (out.argmax(1) == vy).float().mean().item()
        print(f"step {step}: train {loss.item():.4f} val {vl:.4f} acc {acc:.4f}")
print("RESULT " + json.dumps({"count_accuracy": round(acc, 4), "good": acc > 0.93}))
