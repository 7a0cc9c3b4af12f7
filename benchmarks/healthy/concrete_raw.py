# Compressive strength of concrete from its mix; plain tensors and a hand-written loop.
import json, sys
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
g = torch.Generator().manual_seed(seed)
torch.manual_seed(seed)
N = 4000
U = torch.rand(N, 6, generator=g)
cement = 150 + 350 * U[:, 0]
slag = 200 * U[:, 1] * (U[:, 1] > .3)
water = 140 + 90 * U[:, 2]
plast = 20 * U[:, 3]
agg = 1500 + 400 * U[:, 4]
age = torch.exp(U[:, 5] * 4.8) + 1
wc = water / (cement + .6 * slag)
true = 95 / 6.0 ** wc * (age / (4 + .85 * age)) * 1.1 + .35 * plast - .02 * (plast - 10) ** 2 + .006 * (agg - 1700)
noise = 2.0
y = true + noise * torch.randn(N, generator=g)
X = torch.stack([cement, slag, water, plast, agg, age.log()], 1)

perm = torch.randperm(N, generator=g)
tr, va, te = perm[:2800], perm[2800:3300], perm[3300:]
m, s = X[tr].mean(0), X[tr].std(0)
ym, ys = y[tr].mean(), y[tr].std()
Xn, yn = (X - m) / s, ((y - ym) / ys)[:, None]

model = nn.Sequential(nn.Linear(6, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
epochs, bs = 100, 64
opt = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-5)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
lossf = nn.HuberLoss(delta=1.5)
for e in range(epochs):
    model.train()
    order = tr[torch.randperm(len(tr))]
    acc = 0.0
    for k in range(0, len(order), bs):
        b = order[k:k + bs]
        loss = lossf(model(Xn[b]), yn[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        acc += loss.item() * len(b)
    sched.step()
    if e % 10 == 9:
        model.eval()
        with torch.no_grad():
            v = lossf(model(Xn[va]), yn[va]).item()
        print(f"epoch {e + 1} train {acc / len(tr):.5f} val {v:.5f}")
model.eval()
with torch.no_grad():
    p = model(Xn[te])[:, 0] * ys + ym
rmse = (p - y[te]).pow(2).mean().sqrt().item()
lin = torch.linalg.lstsq(torch.cat([Xn[tr], torch.ones(len(tr), 1)], 1), yn[tr]).solution
base = ((torch.cat([Xn[te], torch.ones(len(te), 1)], 1) @ lin)[:, 0] * ys + ym - y[te]).pow(2).mean().sqrt().item()
print(f"test RMSE {rmse:.3f} MPa; linear {base:.3f}; noise of the press {noise}")
print("RESULT", json.dumps({"rmse": round(rmse, 3), "good": rmse < 1.12 * noise}))
