import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

X, y = load_digits(return_X_y=True)
perm = rng.permutation(len(X))
X = torch.tensor(X[perm] / 16.0, dtype=torch.float32).view(-1, 1, 8, 8)
y = y[perm]


def make_pairs(lo, hi, n):
    by_class = [lo + np.where(y[lo:hi] == c)[0] for c in range(10)]
    first, second, label = [], [], []
    for _ in range(n):
        c = rng.randint(10)
        if rng.rand() < 0.5:
            a, b = rng.choice(by_class[c], 2, replace=False)
            label.append(1)
        else:
            d = (c + rng.randint(1, 10)) % 10
            a, b = rng.choice(by_class[c]), rng.choice(by_class[d])
            label.append(0)
        first.append(a)
        second.append(b)
    return X[first], X[second], torch.tensor(label, dtype=torch.float32)


class SigNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 16))

    def forward(self, x1, x2):
        return self.features(x1), self.features(x2)


class ContrastiveLoss(nn.Module):
    def __init__(self, alpha, beta, margin):
        super().__init__()
        self.alpha, self.beta, self.margin = alpha, beta, margin

    def forward(self, x1, x2, y):
        distance = F.pairwise_distance(x1, x2, p=2)
        loss = self.alpha * (1 - y) * distance ** 2 + \
            self.beta * y * (torch.max(torch.zeros_like(distance), self.margin - distance) ** 2)
        return torch.mean(loss)


a, b, lab = make_pairs(0, 1200, 4000)
ta, tb, tlab = make_pairs(1200, len(X), 1500)
model = SigNet()
criterion = ContrastiveLoss(alpha=1, beta=1, margin=1)
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, eps=1e-8, momentum=0.9)


def train_epoch(epoch):
    model.train()
    order = torch.randperm(len(a))
    running = 0.0
    for k in range(0, len(a), 64):
        sel = order[k:k + 64]
        optimizer.zero_grad()
        loss = criterion(*model(a[sel], b[sel]), lab[sel])
        loss.backward()
        optimizer.step()
        running += loss.item() * len(sel)
    print(f"Epoch {epoch} loss {running / len(a):.4f}")


def evaluate():
    model.eval()
    with torch.no_grad():
        e1, e2 = model(ta, tb)
        d = F.pairwise_distance(e1, e2)
    same, other = d[tlab == 1].mean().item(), d[tlab == 0].mean().item()
    print(f"mean distance genuine {same:.3f} forged {other:.3f}")
    return roc_auc_score(tlab.numpy(), -d.numpy())


for epoch in range(10):
    train_epoch(epoch)
    auc = evaluate()
print("RESULT", json.dumps({"metric": "auc", "value": float(auc)}))
