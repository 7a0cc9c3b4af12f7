"""Remaining useful life of engines: a GRU over windows of sensor readings, engines split into train, val and test."""
import copy
import json
import sys

import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch import nn
from torch.utils.data import DataLoader, Dataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
WINDOW, CAP, SENSORS = 30, 120, 8
rng = np.random.default_rng(SEED)
torch.manual_seed(SEED)
mix = np.random.default_rng(5).normal(0, 1, (SENSORS, 3))


def engine():
    life = int(rng.integers(170, 230))
    t = np.arange(life)
    wear = np.exp(rng.uniform(3.8, 4.2) * (t / life - 1))                  # 0 .. 1, rising towards failure
    load = np.sin(2 * np.pi * t / rng.uniform(15, 40) + rng.uniform(0, 6)) * 0.5
    basis = np.stack([wear, np.sqrt(wear), load * (1 + wear)])
    x = (mix @ basis).T + rng.normal(0, 0.25, (life, SENSORS)) + rng.normal(0, 0.05, SENSORS)
    rul = np.minimum(life - 1 - t, CAP) / CAP
    return x.astype(np.float32), rul.astype(np.float32)


class Windows(Dataset):
    def __init__(self, engines, mean, std, stride):
        xs, ys = [], []
        for x, r in engines:
            x = (x - mean) / std
            for end in range(WINDOW, len(x) + 1, stride):
                xs.append(x[end - WINDOW:end])
                ys.append(r[end - 1])
        self.x, self.y = torch.from_numpy(np.stack(xs)), torch.tensor(ys)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class RulNet(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.gru = nn.GRU(SENSORS, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(hidden, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x):
        out, _ = self.gru(x)
        return self.head(out[:, -1]).squeeze(-1)


@torch.no_grad()
def rmse(model, loader):
    model.eval()
    se = sum(((model(x) - y) ** 2).sum().item() for x, y in loader)
    return (se / len(loader.dataset)) ** 0.5 * CAP


fleet = [engine() for _ in range(110)]
stack = np.concatenate([x for x, _ in fleet[:80]])
mean, std = stack.mean(0), stack.std(0)
train, val, test = (Windows(e, mean, std, s) for e, s in ((fleet[:80], 2), (fleet[80:95], 4), (fleet[95:], 2)))
print(len(train), "training windows,", len(val), "validation,", len(test), "test")
train_dl = DataLoader(train, 64, shuffle=True)
val_dl, test_dl = DataLoader(val, 512), DataLoader(test, 512)

model = RulNet()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=1)
best, best_state, bad = float("inf"), None, 0
for epoch in range(12):
    model.train()
    losses = []
    for x, y in train_dl:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    v = rmse(model, val_dl)
    plateau.step(v)
    print(f"epoch {epoch + 1:2d}  train rmse {np.mean(losses) ** 0.5 * CAP:.2f}  val rmse {v:.2f} cycles  lr {optimizer.param_groups[0]['lr']:.1e}")
    if v < best - 0.02:
        best, best_state, bad = v, copy.deepcopy(model.state_dict()), 0
    else:
        bad += 1
        if bad == 5:
            print("early stop")
            break
model.load_state_dict(best_state)

t = rmse(model, test_dl)
ridge = Ridge(1.0).fit(train.x.flatten(1).numpy(), train.y.numpy())
base = float(np.sqrt(np.mean((ridge.predict(test.x.flatten(1).numpy()) - test.y.numpy()) ** 2))) * CAP
const = float(test.y.std()) * CAP
print(f"test rmse: GRU {t:.2f}, ridge on the whole window {base:.2f}, constant {const:.2f}")
print("RESULT", json.dumps({"test_rmse_cycles": round(t, 2), "good": bool(t < 0.95 * base and 1 - (t / const) ** 2 > 0.9)}))
