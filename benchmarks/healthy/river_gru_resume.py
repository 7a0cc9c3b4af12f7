"""River flow from rainfall with a GRU; gradient accumulation, checkpoint half-way, resume in fresh objects."""
import json
import os
import sys
import tempfile

import numpy as np
import torch
from torch import nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(SEED)
rng = np.random.default_rng(SEED)
WINDOW, MICRO, ACCUM, EPOCHS = 24, 32, 4, 14


def catchment(days):
    rain = np.where(rng.random(days) < 0.35, rng.gamma(0.9, 8.0, days), 0.0)
    temp = 10 + 9 * np.sin(2 * np.pi * np.arange(days) / 365) + rng.normal(0, 2, days)
    soil, ground, flow = 30.0, 20.0, np.zeros(days)
    for t in range(days):
        soil += rain[t]
        quick = 0.25 * soil * min(soil / 80.0, 1.0)
        evap = min(0.25 * max(temp[t], 0) * 0.6, 0.3 * soil)
        leak = 0.08 * soil
        soil -= quick + evap + leak
        ground += leak
        base = 0.12 * ground
        ground -= base
        flow[t] = quick + base
    return rain, temp, flow, flow + rng.normal(0, 0.4, days)


def windows(days):
    rain, temp, clean, flow = catchment(days)
    ends = np.arange(60, days)
    x = np.stack([np.stack([np.sqrt(rain[e - WINDOW + 1:e + 1]), temp[e - WINDOW + 1:e + 1]], 1) for e in ends])
    return x.astype(np.float32), flow[ends].astype(np.float32), clean[ends]


(xtr, ytr, _), (xva, yva, _), (xte, yte, cte) = windows(4300), windows(1000), windows(1600)
mx, sx, my, sy = xtr.mean((0, 1)), xtr.std((0, 1)), ytr.mean(), ytr.std()
xtr, xva, xte = [torch.from_numpy((a - mx) / sx) for a in (xtr, xva, xte)]
ytr, yva = [torch.from_numpy((a - my) / sy) for a in (ytr, yva)]


class FlowNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(2, 32, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1]).squeeze(1)


def build():
    model = FlowNet()
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    updates = EPOCHS * (-(-len(xtr) // (MICRO * ACCUM)))
    return model, opt, torch.optim.lr_scheduler.CosineAnnealingLR(opt, updates)


def run_epoch(model, opt, sched):
    model.train()
    total = 0.0
    for big in torch.randperm(len(xtr)).split(MICRO * ACCUM):
        opt.zero_grad()
        for idx in big.split(MICRO):
            loss = nn.functional.mse_loss(model(xtr[idx]), ytr[idx], reduction="sum") / len(big)
            loss.backward()
            total += loss.item() * len(big)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
    model.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(model(xva), yva).item()
    return total / len(xtr), val


path = os.path.join(tempfile.mkdtemp(), "flow.pt")
model, opt, sched = build()
for epoch in range(EPOCHS // 2):
    tr, va = run_epoch(model, opt, sched)
    print(f"epoch {epoch + 1}: train {tr:.4f} val {va:.4f}")
torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "sched": sched.state_dict(), "epoch": epoch + 1}, path)

model, opt, sched = build()
ck = torch.load(path)
model.load_state_dict(ck["model"])
opt.load_state_dict(ck["opt"])
sched.load_state_dict(ck["sched"])
print("resumed after epoch", ck["epoch"])
for epoch in range(ck["epoch"], EPOCHS):
    tr, va = run_epoch(model, opt, sched)
    print(f"epoch {epoch + 1}: train {tr:.4f} val {va:.4f}")

with torch.no_grad():
    pred = model(xte).numpy() * sy + my
nse = 1 - ((pred - yte) ** 2).sum() / ((yte - yte.mean()) ** 2).sum()
ceil = 1 - ((cte - yte) ** 2).sum() / ((yte - yte.mean()) ** 2).sum()
print(f"test NSE {nse:.4f}, with the noiseless simulator {ceil:.4f}")
print("RESULT " + json.dumps({"test_nse": round(float(nse), 4), "good": bool(nse > ceil - 0.02)}))
