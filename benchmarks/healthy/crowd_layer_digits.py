"""Digits labelled by seven unreliable annotators.  Each has a learned confusion matrix on top of one shared classifier
(Rodrigues & Pereira, 2018); the annotators disagree, so the training loss stays high.  Judged on true labels."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)
rng = np.random.default_rng(seed)
X, y = load_digits(return_X_y=True)
Xtr, Xte, ytr, yte = train_test_split((X / 16).astype(np.float32), y, test_size=450, stratify=y, random_state=seed)

ANNOTATORS, K, PER_ITEM = 7, 10, 3
confusions = []
for a in range(ANNOTATORS):
    skill = rng.uniform(0.45, 0.8)
    C = np.full((K, K), 0.0)
    for c in range(K):
        wrong = rng.permutation([k for k in range(K) if k != c])[:2]      # each has two favourite mistakes a digit
        C[c, c], C[c, wrong[0]], C[c, wrong[1]] = skill, 0.6 * (1 - skill), 0.4 * (1 - skill)
    confusions.append(C)

item, who, said = [], [], []
for i, c in enumerate(ytr):
    for a in rng.choice(ANNOTATORS, PER_ITEM, replace=False):
        item.append(i)
        who.append(a)
        said.append(rng.choice(K, p=confusions[a][c]))
item, who, said = map(lambda v: torch.tensor(np.array(v)), (item, who, said))


def classifier():
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.4), nn.Linear(512, K))


class CrowdModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = classifier()
        self.confusion = nn.Parameter(3.0 * torch.eye(K).repeat(ANNOTATORS, 1, 1))

    def forward(self, x, annotator=None):
        p = self.net(x).softmax(1)
        if annotator is None:
            return p
        return torch.einsum("bk,bkl->bl", p, self.confusion.softmax(2)[annotator])


votes = np.zeros((len(ytr), K))
np.add.at(votes, (item.numpy(), said.numpy()), 1)
majority = (votes.argmax(1) == ytr).mean()
x, x_test = torch.from_numpy(Xtr), torch.from_numpy(Xte)

# first the plain way, as a yardstick: one vote share a digit as a soft label
plain = classifier()
plain_opt = torch.optim.Adam(plain.parameters(), lr=1e-3, weight_decay=1e-4)
share = torch.tensor(votes / votes.sum(1, keepdims=True), dtype=torch.float32)
for epoch in range(12):
    plain.train()
    total = 0.0
    for idx in torch.randperm(len(x)).split(64):
        loss = nn.functional.cross_entropy(plain(x[idx]), share[idx])
        plain_opt.zero_grad()
        loss.backward()
        plain_opt.step()
        total += loss.item() * len(idx)
    if epoch % 3 == 2:
        print(f"vote shares, epoch {epoch + 1}: {total / len(x):.4f}")
plain.eval()
with torch.no_grad():
    plain_acc = (plain(x_test).argmax(1).numpy() == yte).mean()

model = CrowdModel()
opt = torch.optim.Adam([{"params": model.net.parameters(), "weight_decay": 1e-4}, {"params": [model.confusion], "lr": 1e-2}], lr=1e-3)
for epoch in range(30):
    model.train()
    total = 0.0
    for idx in torch.randperm(len(item)).split(64):
        q = model(x[item[idx]], who[idx])
        loss = nn.functional.nll_loss((q + 1e-8).log(), said[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1}: annotator log-loss {total / len(item):.4f}")

model.eval()
with torch.no_grad():
    acc = (model(x_test).argmax(1).numpy() == yte).mean()
learned = model.confusion.softmax(2).detach().numpy()
gap = np.abs(learned - np.stack(confusions)).mean()
floor = np.mean([-np.sum(C * np.log(C + 1e-12)) / K for C in confusions])
print(f"test accuracy {acc:.4f}, on vote shares {plain_acc:.4f}; majority vote is right on {majority:.4f} of the training items; confusion error {gap:.4f}; entropy of the annotators {floor:.3f}")
print("RESULT " + json.dumps({"metric": "true_label_accuracy", "value": round(float(acc), 4), "good": bool(acc > 0.95 and acc > majority)}))
