"""Count the cells (1 to 5) in a small microscope-like picture with a CNN."""
import argparse
import json

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--lr", type=float, default=2e-3)
parser.add_argument("--batch-size", type=int, default=64)
args = parser.parse_args()
torch.set_num_threads(1)
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)
S = 24
yy, xx = np.mgrid[0:S, 0:S]


def picture(k):
    centres = []
    while len(centres) < k:
        c = rng.uniform(3, S - 4, 2)
        if all(np.hypot(*(c - d)) > 5.5 for d in centres):
            centres.append(c)
    img = np.zeros((S, S))
    for cy, cx in centres:
        r = rng.uniform(1.1, 1.7)
        img += rng.uniform(0.8, 1.2) * np.exp(-((yy - cy) ** 2 + (xx - cx) ** 2) / (2 * r * r))
    return img + 0.1 * rng.standard_normal((S, S))


def make(n):
    y = rng.integers(0, 5, n)
    x = np.stack([picture(k + 1) for k in y])[:, None]
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


xtr, ytr = make(5000)
xva, yva = make(800)
xte, yte = make(1000)
mean, std = xtr.mean(), xtr.std()
xtr, xva, xte = [(t - mean) / std for t in (xtr, xva, xte)]


class CountNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 10, 5, padding=2, bias=False)
        self.b1 = nn.BatchNorm2d(10)
        self.c2 = nn.Conv2d(10, 20, 3, padding=1, bias=False)
        self.b2 = nn.BatchNorm2d(20)
        self.fc1 = nn.Linear(20 * 16, 32)
        self.fc2 = nn.Linear(32, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.b1(self.c1(x))), 2)
        x = F.relu(self.b2(self.c2(x)))
        x = F.avg_pool2d(x, 3)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        out = torch.cat([model(b) for b in x.split(500)])
    return F.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item()


model = CountNet()
optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-2)
steps = args.epochs * -(-len(xtr) // args.batch_size)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=steps)
for epoch in range(1, args.epochs + 1):
    model.train()
    running = 0.0
    for idx in torch.randperm(len(xtr)).split(args.batch_size):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(xtr[idx]), ytr[idx])
        loss.backward()
        optimizer.step()
        scheduler.step()
        running += loss.item() * len(idx)
    vl, va = evaluate(model, xva, yva)
    print(f"Epoch {epoch}/{args.epochs} train loss {running / len(xtr):.4f} val loss {vl:.4f} val acc {va:.4f}")

tl, ta = evaluate(model, xte, yte)
print(f"test loss {tl:.4f} acc {ta:.4f}")
print("RESULT " + json.dumps({"test_accuracy": round(ta, 4), "good": ta > 0.96}))
