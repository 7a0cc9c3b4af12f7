"""Generalised cross entropy (Zhang & Sabuncu 2018) with 35 % wrong training labels; the test labels are clean."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

CLASSES, DIM, NOISE = 6, 10, 0.35
centres = np.random.default_rng(9).normal(0, 1.25, (CLASSES, 2, DIM))    # two clusters to a class


def draw(n):
    y = rng.integers(0, CLASSES, n)
    x = centres[y, rng.integers(0, 2, n)] + rng.normal(size=(n, DIM))
    return x, y


def bayes(x):
    d2 = ((x[:, None, None] - centres) ** 2).sum(-1)
    return np.exp(-0.5 * d2).sum(-1).argmax(1)


def gce(logits, y, q=0.6):
    p = logits.softmax(1).gather(1, y[:, None]).squeeze(1)
    return ((1 - p.clamp_min(1e-6) ** q) / q).mean()


xtr, clean = draw(10000)
wrong = (clean + rng.integers(1, CLASSES, len(clean))) % CLASSES
noisy = np.where(rng.random(len(clean)) < NOISE, wrong, clean)
xte, yte = draw(4000)
mu, sd = xtr.mean(0), xtr.std(0)
to = lambda a: torch.tensor((a - mu) / sd, dtype=torch.float32)
Xtr, Ytr, Xte, Yte = to(xtr), torch.tensor(noisy), to(xte), torch.tensor(yte)

net = nn.Sequential(nn.Linear(DIM, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, CLASSES))
opt = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
EPOCHS, BATCH = 30, 128
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)
for epoch in range(1, EPOCHS + 1):
    net.train()
    total, agree = 0.0, 0
    for idx in torch.randperm(len(Xtr)).split(BATCH):
        out = net(Xtr[idx])
        loss = gce(out, Ytr[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
        agree += (out.argmax(1) == Ytr[idx]).sum().item()
    sched.step()
    net.eval()
    with torch.no_grad():
        acc = (net(Xte).argmax(1) == Yte).float().mean().item()
    if epoch % 3 == 0:
        print(f"epoch {epoch:2d}  gce {total / len(Xtr):.4f}  agreement with noisy labels {agree / len(Xtr):.4f}  clean test accuracy {acc:.4f}")

ceiling = float((bayes(xte) == yte).mean())
print(f"share of right training labels {(noisy == clean).mean():.4f}; Bayes rule on clean labels {ceiling:.4f}")
print("RESULT", json.dumps({"clean_accuracy": round(acc, 4), "good": acc > ceiling - 0.02}))
