"""Pen-gesture recognition: an LSTM reads (dx, dy) steps; lr falls on plateau."""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed + 100)
T = 36


def gesture(kind):
    u = np.linspace(0, 1, T + 1) ** rng.uniform(0.8, 1.25)
    w = 2 * np.pi
    if kind == 0:   p = np.c_[np.cos(w * u), np.sin(w * u)]
    elif kind == 1: p = np.c_[np.cos(w * u), -np.sin(w * u)]
    elif kind == 2: p = np.c_[np.sin(w * u), np.sin(2 * w * u)]
    elif kind == 3: p = np.c_[2 * u - 1, 2 * np.abs((3 * u) % 1 - .5)]
    elif kind == 4: p = np.c_[u * np.cos(2 * w * u), u * np.sin(2 * w * u)]
    else:           p = np.c_[2 * u - 1, 1.2 * (2 * u - 1) ** 2]
    a = rng.normal(0, 0.25)
    rot = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    p = (p * rng.uniform(.7, 1.3, 2)) @ rot.T + rng.normal(0, .05, (T + 1, 2))
    return np.diff(p, axis=0)


class Gestures(Dataset):
    def __init__(self, n, stats=None):
        self.y = torch.from_numpy(rng.integers(0, 6, n))
        x = torch.tensor(np.stack([gesture(k) for k in self.y.tolist()]), dtype=torch.float32)
        self.stats = stats or (x.mean((0, 1)), x.std((0, 1)))
        self.x = (x - self.stats[0]) / self.stats[1]

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Reader(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.lstm = nn.LSTM(2, hidden, batch_first=True)
        self.fc = nn.Sequential(nn.Dropout(0.2), nn.Linear(hidden, 6))

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out.mean(1))


def run_epoch(model, loader, loss_fn, opt=None):
    model.train(opt is not None)
    tot = ok = n = 0
    with torch.set_grad_enabled(opt is not None):
        for x, y in loader:
            out = model(x)
            loss = loss_fn(out, y)
            if opt is not None:
                opt.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                opt.step()
            tot += loss.item() * len(y); ok += (out.argmax(1) == y).sum().item(); n += len(y)
    return tot / n, ok / n


train = Gestures(3000)
val, test = Gestures(600, train.stats), Gestures(1200, train.stats)
lt, lv, le = DataLoader(train, 64, shuffle=True), DataLoader(val, 300), DataLoader(test, 300)
model, loss_fn = Reader(), nn.CrossEntropyLoss()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
sched = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.3, patience=1)
for epoch in range(1, 17):
    tl, ta = run_epoch(model, lt, loss_fn, opt)
    vl, va = run_epoch(model, lv, loss_fn)
    sched.step(vl)
    print(f"epoch {epoch:2d} train {tl:.4f}/{ta:.3f} val {vl:.4f}/{va:.3f} lr {opt.param_groups[0]['lr']:.1e}")
_, acc = run_epoch(model, le, loss_fn)
print("RESULT", json.dumps({"test_acc": round(acc, 4), "good": acc > 0.97}))
