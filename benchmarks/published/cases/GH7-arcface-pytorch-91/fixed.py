import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


class ArcMarginProduct(nn.Module):
    def __init__(self, in_features, out_features, s=8.0, m=0.1):
        super().__init__()
        self.s, self.m = s, m
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.xavier_uniform_(self.weight)
        self.cos_m, self.sin_m = math.cos(m), math.sin(m)
        self.th, self.mm = math.cos(math.pi - m), math.sin(math.pi - m) * m

    def forward(self, x, label):
        cosine = F.linear(F.normalize(x), F.normalize(self.weight))
        sine = torch.sqrt((1.0 - torch.pow(cosine, 2)).clamp(1e-6, 1))
        phi = cosine * self.cos_m - sine * self.sin_m
        phi = torch.where(cosine > self.th, phi, cosine - self.mm)
        one_hot = F.one_hot(label, cosine.size(1)).float()
        return self.s * (one_hot * phi + (1.0 - one_hot) * cosine)


class Backbone(nn.Module):
    def __init__(self, dim=2):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, dim))

    def forward(self, x):
        return self.body(x)


digits = load_digits()
keep = digits.target < 3
X, y = digits.data[keep].astype("float32") / 16.0, digits.target[keep].astype("int64")
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.3, random_state=seed, stratify=y)
Xtr, Xte, ytr, yte = map(torch.from_numpy, (Xtr, Xte, ytr, yte))
loader = DataLoader(TensorDataset(Xtr, ytr), batch_size=32, shuffle=True)

model, metric_fc = Backbone(), ArcMarginProduct(2, 3)
optimizer = torch.optim.Adam([{"params": model.parameters()}, {"params": metric_fc.parameters()}], lr=1e-3)
for epoch in range(60):
    model.train()
    total = 0.0
    for data, label in loader:
        loss = F.cross_entropy(metric_fc(model(data), label), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        scores = F.linear(F.normalize(model(Xte)), F.normalize(metric_fc.weight))
        acc = (scores.argmax(1) == yte).float().mean().item()
    if epoch % 4 == 3:
        print(f"train epoch {epoch + 1} loss {total / len(loader):.4f} test acc {acc:.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
