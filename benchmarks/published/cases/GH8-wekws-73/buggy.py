import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

T, MEL, WORDS = 40, 20, 8
proto = np.random.RandomState(3).randn(WORDS, 12, MEL)


def utterances(n):
    y = np.random.randint(0, WORDS, n)
    x = 0.8 * np.random.randn(n, T, MEL)
    for i, w in enumerate(y):
        length = np.random.randint(16, 24)
        pos = np.random.randint(0, T - length)
        frames = np.linspace(0, 11, length).round().astype(int)
        x[i, pos:pos + length] += 0.7 * proto[w][frames]
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


train_dl = DataLoader(TensorDataset(*utterances(1500)), batch_size=50, shuffle=True)
cv_dl = DataLoader(TensorDataset(*utterances(400)), batch_size=50)


class KWSModel(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.preprocess = nn.Linear(MEL, hidden)
        self.backbone = nn.GRU(hidden, hidden, 1, batch_first=True)
        self.classifier = nn.Linear(hidden, WORDS)

    def forward(self, x):
        x, _ = self.backbone(torch.relu(self.preprocess(x)))
        return self.classifier(x.mean(1))


class Executor:
    def __init__(self):
        self.step = 0

    def train(self, model, optimizer, loader, grad_clip):
        model.train()
        total, n = 0.0, 0
        for feats, target in loader:
            logits = model(feats)
            loss = nn.functional.cross_entropy(logits, target)
            loss.backward()
            grad_norm = clip_grad_norm_(model.parameters(), grad_clip)
            if torch.isfinite(grad_norm):
                optimizer.step()
            self.step += 1
            total += loss.item() * len(target)
            n += len(target)
        return total / n

    def cv(self, model, loader):
        model.eval()
        hits = n = 0
        with torch.no_grad():
            for feats, target in loader:
                hits += (model(feats).argmax(1) == target).sum().item()
                n += len(target)
        return hits / n


model = KWSModel()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
executor = Executor()
for epoch in range(12):
    loss = executor.train(model, optimizer, train_dl, grad_clip=5.0)
    print(f"Epoch {epoch} TRAIN info loss {loss:.4f} CV info acc {executor.cv(model, cv_dl):.4f}")

print("RESULT", json.dumps({"metric": "cv_accuracy", "value": executor.cv(model, cv_dl)}))
