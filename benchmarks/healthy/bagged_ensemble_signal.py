"""Five networks on bootstrap samples of a very noisy signal (SNR about 0.35), averaged.

The training loss can only fall by about a quarter: the rest is noise. The error against the clean signal is what counts.
"""
import json
import sys

import torch
from torch import nn

torch.set_num_threads(1)
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
N, NOISE, MEMBERS, EPOCHS = 4000, 1.4, 5, 12


def clean(x):
    return torch.sin(2.5 * x[:, :1]) * (1 + 0.5 * x[:, 1:])


x = torch.rand(N, 2) * 4 - 2
y = clean(x) + NOISE * torch.randn(N, 1)
xv = torch.rand(1500, 2) * 4 - 2
yv = clean(xv) + NOISE * torch.randn(1500, 1)
xt = torch.rand(5000, 2) * 4 - 2
loss_fn = nn.MSELoss()

members = []
for m in range(MEMBERS):
    bag = torch.randint(0, N, (N,))
    xb, yb = x[bag], y[bag]
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    opt = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-2)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)
    for epoch in range(EPOCHS):
        total = 0.0
        for i in torch.randperm(N).split(50):
            loss = loss_fn(net(xb[i]), yb[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() * len(i)
        sched.step()
        with torch.no_grad():
            print(f"member {m} epoch {epoch + 1:2d} train {total / N:.4f} val {loss_fn(net(xv), yv):.4f} (noise {NOISE ** 2:.2f})")
    members.append(net)

with torch.no_grad():
    target = clean(xt)
    preds = torch.stack([net(xt) for net in members])
    each = (preds - target).pow(2).mean((1, 2))
    joint = (preds.mean(0) - target).pow(2).mean()
    r2 = 1 - (joint / target.var()).item()
print(f"R2 against the clean signal: members {[round(1 - (e / target.var()).item(), 3) for e in each]}, ensemble {r2:.4f}")
print("RESULT " + json.dumps({"metric": "r2_against_clean_signal", "value": round(r2, 4), "good": bool(r2 > 0.85)}))
