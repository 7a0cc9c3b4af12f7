"""Sum-aggregating message passing on random molecules: solubility-like target from atoms, bonds and their neighbourhoods."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
V, KINDS, NOISE = 14, 5, 0.25
atom_w = torch.tensor([0.3, -0.8, 0.5, -0.4, 0.1])
pair_w = torch.randn(KINDS, KINDS) * 0.4
pair_w = (pair_w + pair_w.T) / 2


def molecules(n):
    size = torch.randint(6, V + 1, (n,))
    kind = torch.randint(0, KINDS, (n, V))
    A = torch.zeros(n, V, V)
    for v in range(1, V):                                   # a random tree ...
        parent = (torch.rand(n) * v).long()
        on = (v < size).float()
        A[torch.arange(n), v, parent] = on
        A[torch.arange(n), parent, v] = on
    for _ in range(2):                                      # ... and up to two ring closures
        i, j = (torch.rand(n) * size).long(), (torch.rand(n) * size).long()
        ok = (i != j).float()
        A[torch.arange(n), i, j] = torch.maximum(A[torch.arange(n), i, j], ok)
        A[torch.arange(n), j, i] = A[torch.arange(n), i, j]
    mask = (torch.arange(V) < size[:, None]).float()
    x = F.one_hot(kind, KINDS).float() * mask[..., None]
    deg = A.sum(2)
    clean = (x @ atom_w).sum(1) + 0.5 * torch.einsum("nva,nvu,nub,ab->n", x, A, x, pair_w) \
        - 0.5 * ((deg >= 3).float() * mask * (x @ torch.tensor([1., -1., 0., 2., 0.]))).sum(1)
    return x, A, mask, clean + NOISE * torch.randn(n), clean


class MPNN(nn.Module):
    def __init__(self, h=48, layers=3):
        super().__init__()
        self.inp = nn.Linear(KINDS, h)
        self.mlps = nn.ModuleList(nn.Sequential(nn.Linear(2 * h, h), nn.ReLU(), nn.Linear(h, h)) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(h) for _ in range(layers))
        self.head = nn.Sequential(nn.Linear(h * (layers + 1), h), nn.ReLU(), nn.Linear(h, 1))

    def forward(self, x, A, mask):
        h = self.inp(x)
        pools = [(h * mask[..., None]).sum(1) / 10]
        for m, nrm in zip(self.mlps, self.norms):
            h = nrm(h + m(torch.cat([h, A @ h], -1)))
            pools.append((h * mask[..., None]).sum(1) / 10)
        return self.head(torch.cat(pools, 1))[:, 0]


x, A, m, y, _ = molecules(6000)
xv, Av, mv, yv, _ = molecules(800)
xt, At, mt, yt, ct = molecules(1500)
mu, sd = y.mean(), y.std()
loader = DataLoader(TensorDataset(x, A, m, (y - mu) / sd), batch_size=64, shuffle=True)
net = MPNN()
EPOCHS = 12
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, epochs=EPOCHS, steps_per_epoch=len(loader), pct_start=0.15)
for ep in range(1, EPOCHS + 1):
    net.train()
    tot = 0.
    for bx, bA, bm, by in loader:
        opt.zero_grad()
        loss = F.mse_loss(net(bx, bA, bm), by)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        sched.step()
        tot += loss.item()
    net.eval()
    with torch.no_grad():
        v = F.mse_loss(net(xv, Av, mv), (yv - mu) / sd).item()
    if ep % 2 == 0:
        print(f"epoch {ep} train {tot / len(loader):.4f} val {v:.4f} (noise {(NOISE / sd) ** 2:.4f})")
with torch.no_grad():
    p = net(xt, At, mt) * sd + mu
r2 = 1 - ((p - yt).pow(2).mean() / yt.var()).item()
ceiling = 1 - ((ct - yt).pow(2).mean() / yt.var()).item()
counts = lambda a, b: torch.cat([a.sum(1), b.sum((1, 2))[:, None], torch.ones(len(a), 1)], 1)
lin = torch.linalg.lstsq(counts(x, A), y[:, None]).solution
base = 1 - ((counts(xt, At) @ lin)[:, 0] - yt).pow(2).mean().item() / yt.var().item()
print(f"R2 {r2:.4f}; atom counts {base:.4f}; ceiling {ceiling:.4f}")
print("RESULT", json.dumps({"r2": round(r2, 4), "good": r2 > ceiling - 0.03}))
