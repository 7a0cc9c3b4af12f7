"""Heating and cooling load of buildings: shared trunk, two heads, early stopping."""
import copy
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(SEED)
rng = np.random.default_rng(100 + SEED)
NOISE = 0.8


def simulate(n):
    area = rng.uniform(80, 400, n)
    height = rng.uniform(2.4, 6.0, n)
    glazing = rng.uniform(0.05, 0.45, n)
    orient = rng.uniform(0, 2 * np.pi, n)
    u_wall = rng.uniform(0.15, 1.2, n)
    infil = rng.uniform(0.1, 1.0, n)
    shade = rng.uniform(0, 1, n)
    wall = 4 * np.sqrt(area) * height / area
    heat = 6 + 8 * wall * (u_wall * (1 - glazing) + 1.6 * glazing) + 5 * infil * height / 3 - 10 * glazing * np.maximum(np.cos(orient), 0)
    cool = 4 + 30 * glazing * (1 - 0.8 * shade) * (1.2 + np.sin(orient)) + 3 * wall * u_wall + 1.5 * height
    x = np.stack([area, height, glazing, np.sin(orient), np.cos(orient), u_wall, infil, shade], 1)
    t = np.stack([heat, cool], 1)
    return x, t + NOISE * rng.standard_normal(t.shape), t


class Buildings(Dataset):
    def __init__(self, x, y):
        self.x = torch.tensor(x, dtype=torch.float32)
        self.y = torch.tensor(y, dtype=torch.float32)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i, 0], self.y[i, 1]


class TwoHeads(nn.Module):
    def __init__(self, d, h=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(d, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU())
        self.heat = nn.Sequential(nn.Linear(h, 32), nn.SiLU(), nn.Linear(32, 1))
        self.cool = nn.Sequential(nn.Linear(h, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, x):
        z = self.trunk(x)
        return self.heat(z).squeeze(-1), self.cool(z).squeeze(-1)


(xtr, ytr, _), (xva, yva, _), (xte, yte, cte) = simulate(5000), simulate(1500), simulate(2000)
mx, sx, my, sy = xtr.mean(0), xtr.std(0), ytr.mean(0), ytr.std(0)
train = DataLoader(Buildings((xtr - mx) / sx, (ytr - my) / sy), batch_size=128, shuffle=True)
val = DataLoader(Buildings((xva - mx) / sx, (yva - my) / sy), batch_size=500)
test = DataLoader(Buildings((xte - mx) / sx, (yte - my) / sy), batch_size=500)

model = TwoHeads(8)
opt = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-5)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.3, patience=1)


def run_val():
    model.eval()
    tot = 0.0
    with torch.no_grad():
        for x, h, c in val:
            ph, pc = model(x)
            tot += (F.mse_loss(ph, h, reduction="sum") + F.mse_loss(pc, c, reduction="sum")).item()
    return tot / len(val.dataset)


best, best_state, wait = float("inf"), None, 0
for epoch in range(60):
    model.train()
    tot = 0.0
    for x, h, c in train:
        ph, pc = model(x)
        loss = F.mse_loss(ph, h) + F.mse_loss(pc, c)
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(x)
    v = run_val()
    plateau.step(v)
    print(f"epoch {epoch}: train {tot / len(train.dataset):.4f} val {v:.4f} lr {opt.param_groups[0]['lr']:.1e}")
    if v < best - 1e-4:
        best, best_state, wait = v, copy.deepcopy(model.state_dict()), 0
    else:
        wait += 1
        if wait >= 5:
            print("early stop")
            break
model.load_state_dict(best_state)

model.eval()
with torch.no_grad():
    pred = np.concatenate([torch.stack(model(x), 1).numpy() for x, _, _ in test]) * sy + my
r2 = 1 - ((pred - yte) ** 2).sum(0) / ((yte - yte.mean(0)) ** 2).sum(0)
ceil = 1 - ((cte - yte) ** 2).sum(0) / ((yte - yte.mean(0)) ** 2).sum(0)
print("R2 heat, cool", r2.round(4), "noise ceiling", ceil.round(4))
print("RESULT " + json.dumps({"worst_r2": round(float(r2.min()), 4), "good": bool((r2 > ceil - 0.01).all())}))
