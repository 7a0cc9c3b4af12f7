"""Heart beat classification with a 1-D CNN; rare classes are drawn more often by a weighted sampler."""
import json
import sys

import numpy as np
import torch
from sklearn.metrics import classification_report, f1_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

NAMES = ["normal", "ventricular", "no P wave", "ST elevation"]
SHARES = [0.62, 0.18, 0.12, 0.08]
t = np.linspace(0, 1, 128)


def bump(at, width, height):
    return height * np.exp(-0.5 * ((t - at) / width) ** 2)


def beat(kind):
    n = lambda s: np.random.normal(0, s)
    c = 0.45 + n(0.02)                                   # position of the R peak
    amp = np.random.uniform(0.8, 1.2)
    p, qrs_w, tw, st = 0.16, 0.014, 0.30, 0.0
    if kind == 1:
        p, qrs_w, tw = 0.0, 0.038, -0.25
    elif kind == 2:
        p = 0.0
    elif kind == 3:
        st = 0.22
    x = bump(c - 0.17 + n(0.008), 0.022, p * (1 + n(0.12)) if p else 0.0)
    x += bump(c, qrs_w * (1 + n(0.08)), 1.0) - bump(c - 0.03, 0.012, 0.14) - bump(c + 0.04, 0.014, 0.22)
    x += bump(c + 0.26 + n(0.012), 0.045, tw * (1 + n(0.12)))
    x += st * (1 + n(0.12)) / ((1 + np.exp(-(t - c - 0.06) / 0.01)) * (1 + np.exp((t - c - 0.22) / 0.02)))
    wander = 0.08 * np.sin(2 * np.pi * (np.random.uniform(0.3, 1) * t + np.random.rand()))
    return amp * x + wander + np.random.normal(0, 0.04, t.size)


def dataset(n):
    y = np.random.choice(4, n, p=SHARES)
    x = np.stack([beat(k) for k in y])
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)      # each beat to zero mean, unit variance
    return torch.tensor(x, dtype=torch.float32).unsqueeze(1), torch.tensor(y)


xtr, ytr = dataset(4000)
xva, yva = dataset(1500)
counts = torch.bincount(ytr)
print("training beats per class", dict(zip(NAMES, counts.tolist())))
sampler = WeightedRandomSampler((1.0 / counts.float())[ytr], num_samples=len(ytr), replacement=True)
train_dl = DataLoader(TensorDataset(xtr, ytr), batch_size=64, sampler=sampler)
val_dl = DataLoader(TensorDataset(xva, yva), batch_size=256)


class BeatNet(nn.Module):
    def __init__(self):
        super().__init__()
        def stage(i, o):
            return nn.Sequential(nn.Conv1d(i, o, 7, padding=3, bias=False), nn.BatchNorm1d(o), nn.ReLU(), nn.MaxPool1d(2))
        self.body = nn.Sequential(stage(1, 16), stage(16, 24), stage(24, 32))
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(32 * 16, 4)

    def forward(self, x):
        return self.fc(self.drop(self.body(x).flatten(1)))


def predict(model):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(x) for x, _ in val_dl])


model = BeatNet()
loss_fn = nn.CrossEntropyLoss()
EPOCHS = 8
optim = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(optim, max_lr=3e-3, epochs=EPOCHS, steps_per_epoch=len(train_dl))

for epoch in range(EPOCHS):
    model.train()
    tot = 0.0
    for x, y in train_dl:
        x = x * (1 + 0.05 * torch.randn(len(x), 1, 1)) + 0.05 * torch.randn_like(x)       # light augmentation
        optim.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optim.step()
        sched.step()
        tot += loss.item() * len(x)
    out = predict(model)
    f1 = f1_score(yva, out.argmax(1), average="macro")
    print(f"epoch {epoch + 1:2d}  train {tot / len(ytr):.4f}  val {loss_fn(out, yva).item():.4f}  macro F1 {f1:.4f}")

pred = predict(model).argmax(1)
print(classification_report(yva, pred, target_names=NAMES, digits=3))
print("RESULT", json.dumps({"macro_f1": round(float(f1), 4), "good": bool(f1 > 0.95)}))
