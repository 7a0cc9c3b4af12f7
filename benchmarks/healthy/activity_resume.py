"""Human-activity recognition from a 3-axis accelerometer; the run is interrupted and resumed from a checkpoint."""
import json
import os
import sys
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
rng = np.random.default_rng(SEED)
CLASSES = ["still", "walk", "run", "cycle", "stairs"]


def windows(n, T=96, fs=25.0):
    y = rng.integers(0, 5, n)
    t = np.arange(T) / fs
    x = np.zeros((n, 3, T), dtype=np.float32)
    for i, c in enumerate(y):
        f = [0, rng.normal(1.8, .12), rng.normal(2.7, .15), rng.normal(1.2, .1), rng.normal(1.5, .1)][c]
        amp = [0, .5, 1.1, .35, .5][c] * rng.uniform(.75, 1.25)
        harm = [0, .5, .6, .05, .2][c]
        ph = rng.uniform(0, 2 * np.pi)
        s = amp * (np.sin(2 * np.pi * f * t + ph) + harm * np.sin(4 * np.pi * f * t + 2 * ph + .5))
        lateral = amp * .5 * np.sin(np.pi * f * t + ph / 2)
        drift = (.4 if c == 4 else 0.) * np.sin(2 * np.pi * .25 * t + rng.uniform(0, 6))
        g = rng.normal(0, .15, 3)
        x[i] = np.stack([s, lateral, .6 * s + drift]) + g[:, None] + rng.normal(0, .25, (3, T))
    return torch.from_numpy(x), torch.from_numpy(y)


xtr, ytr = windows(3000)
xva, yva = windows(600)
xte, yte = windows(1500)
mu, sd = xtr.mean((0, 2), keepdim=True), xtr.std((0, 2), keepdim=True)
xtr, xva, xte = [(a - mu) / sd for a in (xtr, xva, xte)]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        def block(i, o):
            return nn.Sequential(nn.Conv1d(i, o, 5, padding=2, bias=False), nn.BatchNorm1d(o), nn.ReLU(), nn.MaxPool1d(2))
        self.features = nn.Sequential(block(3, 24), block(24, 32), block(32, 48))
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(48, 5)

    def forward(self, x):
        return self.head(self.drop(self.features(x).mean(-1)))


EPOCHS, INTERRUPT = 8, 4
loader = DataLoader(TensorDataset(xtr, ytr), batch_size=64, shuffle=True)


def fresh():
    model = Net()
    opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)
    return model, opt, sched


@torch.no_grad()
def evaluate(model, x, y):
    model.eval()
    out = model(x)
    return F.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item()


def run(model, opt, sched, start, stop):
    for epoch in range(start, stop):
        model.train()
        tot = 0.
        for xb, yb in loader:
            opt.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(xb), yb)
            loss.backward()
            opt.step()
            tot += loss.item() * len(xb)
        sched.step()
        vl, va = evaluate(model, xva, yva)
        print(f"epoch {epoch + 1:2d} train {tot / len(xtr):.4f} val {vl:.4f} acc {va:.3f}")


model, opt, sched = fresh()
run(model, opt, sched, 0, INTERRUPT)
path = os.path.join(tempfile.mkdtemp(), "ckpt.pt")
torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "sched": sched.state_dict(),
            "epoch": INTERRUPT, "rng": torch.get_rng_state()}, path)
before = evaluate(model, xva, yva)
del model, opt, sched
print("--- interrupted; resuming ---")
model, opt, sched = fresh()
ck = torch.load(path)
model.load_state_dict(ck["model"]); opt.load_state_dict(ck["opt"]); sched.load_state_dict(ck["sched"])
torch.set_rng_state(ck["rng"])
assert evaluate(model, xva, yva) == before
run(model, opt, sched, ck["epoch"], EPOCHS)
_, acc = evaluate(model, xte, yte)
print("RESULT", json.dumps({"test_acc": round(acc, 4), "good": acc > 0.95}))
