"""Bearing fault type from six vibration features; five stratified folds, a fresh network for each."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.model_selection import StratifiedKFold

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

# four fault types, each a mixture of two operating regimes (so the classes are not linearly separable)
K, REGIMES, D = 4, 2, 6
centres = np.random.default_rng(77).normal(0, 1.45, (K, REGIMES, D))


def draw(n):
    y = rng.integers(0, K, n)
    r = rng.integers(0, REGIMES, n)
    return centres[y, r] + rng.normal(0, 1.0, (n, D)), y


def bayes_predict(x):
    d2 = ((x[:, None, None, :] - centres) ** 2).sum(-1)
    return np.exp(-0.5 * d2).sum(-1).argmax(1)


X, y = draw(4000)
scale = np.array([1.0, 30.0, 0.01, 5.0, 1.0, 200.0])       # raw physical units
X_raw = X * scale + 3 * scale


def new_net():
    return nn.Sequential(nn.Linear(D, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, K))


def run_fold(xtr, ytr, xva, yva, epochs=25, batch=64):
    mean, std = xtr.mean(0), xtr.std(0)                     # statistics of the training part only
    xtr, xva = [torch.tensor((a - mean) / std, dtype=torch.float32) for a in (xtr, xva)]
    ytr, yva = torch.tensor(ytr), torch.tensor(yva)
    net = new_net()
    opt = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    for epoch in range(epochs):
        net.train()
        perm = torch.randperm(len(xtr))
        total = 0.0
        for i in range(0, len(xtr), batch):
            j = perm[i:i + batch]
            loss = F.cross_entropy(net(xtr[j]), ytr[j])
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() * len(j)
        sched.step()
        net.eval()
        with torch.no_grad():
            out = net(xva)
            vloss, acc = F.cross_entropy(out, yva).item(), (out.argmax(1) == yva).float().mean().item()
        if epoch % 5 == 4:
            print(f"  epoch {epoch + 1:2d}  train {total / len(xtr):.4f}  val {vloss:.4f}  acc {acc:.3f}")
    return acc


scores = []
folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed)
for k, (tr, va) in enumerate(folds.split(X_raw, y)):
    print("fold", k + 1)
    scores.append(run_fold(X_raw[tr], y[tr], X_raw[va], y[va]))

cv = float(np.mean(scores))
ceiling = float((bayes_predict(X) == y).mean())
print(f"folds {[round(s, 3) for s in scores]}  mean {cv:.4f}   Bayes rule {ceiling:.4f}")
print("RESULT", json.dumps({"cv_accuracy": round(cv, 4), "good": cv > ceiling - 0.025}))
