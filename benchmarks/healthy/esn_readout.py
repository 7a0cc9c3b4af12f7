"""Echo state network: a fixed sparse reservoir driven by a Mackey-Glass series, readout trained by AdamW.
Modelled after Jaeger's ESN tutorials, with a small two-layer readout in PyTorch."""
import json
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)


def mackey_glass(n, tau=17, washout=500):
    hist = list(1.2 + 0.1 * rng.standard_normal(tau * 10 + 1))
    for _ in range((n + washout) * 10):
        x, xt = hist[-1], hist[-1 - tau * 10]
        hist.append(x + 0.1 * (0.2 * xt / (1 + xt ** 10) - 0.1 * x))
    out = np.array(hist[tau * 10 + 1:])[::10][washout:]
    return out


class Reservoir(nn.Module):
    def __init__(self, size=200, radius=0.95, density=0.1, leak=0.5):
        super().__init__()
        w = rng.uniform(-1, 1, (size, size)) * (rng.random((size, size)) < density)
        w *= radius / np.abs(np.linalg.eigvals(w)).max()
        self.register_buffer("w", torch.tensor(w, dtype=torch.float32))
        self.register_buffer("w_in", torch.rand(size, 2) - 0.5)
        self.leak = leak

    @torch.no_grad()
    def forward(self, u):
        h = torch.zeros(self.w.size(0))
        states = []
        for ut in u:
            drive = self.w_in @ torch.stack([torch.ones(()), ut])
            h = (1 - self.leak) * h + self.leak * torch.tanh(self.w @ h + drive)
            states.append(h)
        return torch.stack(states)


HORIZON, WASH = 20, 200
series = mackey_glass(5000)
n_train = 3500
mean, std = series[:n_train].mean(), series[:n_train].std()
z = torch.tensor((series - mean) / std, dtype=torch.float32)
states = Reservoir()(z)
X, Y = states[WASH:-HORIZON], z[WASH + HORIZON:]
split = n_train - WASH - HORIZON
Xtr, Ytr, Xte, Yte = X[:split], Y[:split], X[split + HORIZON:], Y[split + HORIZON:]
mu, sd = Xtr.mean(0), Xtr.std(0)
Xtr, Xte = (Xtr - mu) / sd, (Xte - mu) / sd

readout = nn.Sequential(nn.Linear(X.size(1), 32), nn.Tanh(), nn.Linear(32, 1))
opt = torch.optim.AdamW(readout.parameters(), lr=1e-3, weight_decay=1e-2)
epochs = 60
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
for epoch in range(epochs):
    total = 0.0
    for idx in torch.randperm(len(Xtr)).split(64):
        loss = ((readout(Xtr[idx]).squeeze(1) - Ytr[idx]) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
    sched.step()
    if epoch % 6 == 5:
        with torch.no_grad():
            v = ((readout(Xte).squeeze(1) - Yte) ** 2).mean().item()
        print(f"epoch {epoch + 1}: train mse {total / len(Xtr):.5f} test mse {v:.5f}")
nrmse = (v / Yte.var().item()) ** 0.5
print("RESULT " + json.dumps({"test_nrmse_20_steps": round(nrmse, 4), "good": nrmse < 0.15}))
