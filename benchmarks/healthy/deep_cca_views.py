"""Deep canonical correlation analysis of two nonlinear views of a shared two-dimensional signal."""
import json
import sys

import numpy as np
import torch
from sklearn.cross_decomposition import CCA
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
MIX1, MIX2 = torch.linalg.qr(torch.randn(8, 8))[0], torch.linalg.qr(torch.randn(8, 8))[0]


def views(n):
    s = torch.randn(n, 2)
    a, b = s + 0.25 * torch.randn(n, 2), s + 0.25 * torch.randn(n, 2)
    va = torch.cat([a.abs().sqrt() * a.sign(), a.abs(), torch.tanh(a) ** 2, 0.5 * torch.randn(n, 2)], 1)
    r = b.norm(dim=1, keepdim=True)
    c, d = torch.cos(1.2 * r), torch.sin(1.2 * r)           # a swirl: turned by an angle that grows with the radius
    swirl = torch.cat([c * b[:, :1] - d * b[:, 1:], d * b[:, :1] + c * b[:, 1:]], 1)
    vb = torch.cat([swirl, r, 0.3 * r ** 2, 0.5 * torch.randn(n, 4)], 1)
    return va @ MIX1, vb @ MIX2


def inv_sqrt(c):
    w, v = torch.linalg.eigh(c)
    return v @ torch.diag(w.clamp_min(1e-6).rsqrt()) @ v.T


def total_correlation(h1, h2, eps=1e-3):
    h1, h2 = h1 - h1.mean(0), h2 - h2.mean(0)
    n, k = len(h1) - 1, h1.shape[1]
    c11 = h1.T @ h1 / n + eps * torch.eye(k)
    c22 = h2.T @ h2 / n + eps * torch.eye(k)
    return torch.linalg.matrix_norm(inv_sqrt(c11) @ (h1.T @ h2 / n) @ inv_sqrt(c22), "nuc")


def encoder():
    return nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))


(x1, x2), (v1, v2), (t1, t2) = views(12000), views(3000), views(4000)
m1, s1, m2, s2 = x1.mean(0), x1.std(0), x2.mean(0), x2.std(0)
x1, v1, t1 = [(z - m1) / s1 for z in (x1, v1, t1)]
x2, v2, t2 = [(z - m2) / s2 for z in (x2, v2, t2)]
f, g = encoder(), encoder()
params = list(f.parameters()) + list(g.parameters())
opt = torch.optim.AdamW(params, lr=2e-3, weight_decay=1e-3)
EPOCHS, B = 36, 500                      # whole covariances are needed: large batches
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS * len(x1) // B)
for epoch in range(EPOCHS):
    f.train(), g.train()
    tot = 0.0
    for idx in torch.randperm(len(x1)).split(B):
        loss = -total_correlation(f(x1[idx]), g(x2[idx]))
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item()
    f.eval(), g.eval()
    with torch.no_grad():
        v = total_correlation(f(v1), g(v2)).item()
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1} loss {tot * B / len(x1):.4f} val total correlation {v:.4f} of 2")
with torch.no_grad():
    deep = total_correlation(f(t1), g(t2)).item()
lin = CCA(2).fit(x1.numpy(), x2.numpy())
a, b = lin.transform(t1.numpy(), t2.numpy())
linear = sum(abs(np.corrcoef(a[:, k], b[:, k])[0, 1]) for k in range(2))
print(f"held-out total correlation: deep {deep:.4f}, linear {linear:.4f}, shared signal itself {2 / (1 + 0.0625):.4f}")
print("RESULT " + json.dumps({"total_correlation": round(deep, 4), "good": bool(deep > 1.8 and deep > linear + 0.2)}))
