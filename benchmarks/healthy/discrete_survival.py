"""Discrete-time survival (logistic hazard) with right censoring, scored by the concordance index.
Modelled after Gensheimer & Narasimhan 2019 (nnet-survival) and the pycox LogisticHazard example."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
BINS = 15


def simulate(n):
    x = rng.standard_normal((n, 6))
    risk = 1.0 * x[:, 0] + 0.8 * x[:, 1] * x[:, 2] + 0.7 * np.abs(x[:, 3]) - 0.6
    event = rng.weibull(1.5, n) * np.exp(-risk / 1.5) * 2.0
    censor = rng.exponential(5.0, n)
    t = np.minimum(event, censor)
    return x.astype("float32"), t, (event <= censor), risk


def concordance(t, observed, score):
    ok = (t[:, None] < t[None, :]) & observed[:, None]
    conc = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    return conc[ok].mean()


x_tr, t_tr, d_tr, _ = simulate(5000)
x_va, t_va, d_va, _ = simulate(1000)
x_te, t_te, d_te, risk_te = simulate(1500)
cuts = np.quantile(t_tr[d_tr], np.linspace(0, 1, BINS + 1)[1:-1])


def tensors(x, t, d):
    return torch.from_numpy(x), torch.from_numpy(np.digitize(t, cuts)), torch.from_numpy(d.astype("float32"))


def hazard_nll(logits, k, d):
    """Binary likelihood of every interval that was entered."""
    steps = torch.arange(BINS)
    event = F.one_hot(k, BINS).float() * d.unsqueeze(1)
    # an observation censored within an interval contributes only the intervals it outlived
    at_risk = ((steps < k.unsqueeze(1)) | ((steps == k.unsqueeze(1)) & (d.unsqueeze(1) > 0))).float()
    bce = F.binary_cross_entropy_with_logits(logits, event, reduction="none")
    return (bce * at_risk).sum(1).mean()


loader = DataLoader(TensorDataset(*tensors(x_tr, t_tr, d_tr)), batch_size=128, shuffle=True)
xv, kv, dv = tensors(x_va, t_va, d_va)
model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(),
                      nn.Dropout(0.1), nn.Linear(64, BINS))
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
epochs = 25
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
for epoch in range(epochs):
    model.train()
    total = 0.0
    for xb, kb, db in loader:
        loss = hazard_nll(model(xb), kb, db)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(xb)
    sched.step()
    model.eval()
    with torch.no_grad():
        v = hazard_nll(model(xv), kv, dv).item()
    if epoch % 3 == 0:
        print(f"epoch {epoch + 1}: train {total / len(x_tr):.4f} val {v:.4f}")

with torch.no_grad():
    log_surv = F.logsigmoid(-model(torch.from_numpy(x_te))).cumsum(1)
    score = -log_surv.sum(1).numpy()
c = float(concordance(t_te, d_te, score))
print(f"c-index {c:.4f}, of the true risk {concordance(t_te, d_te, risk_te):.4f}")
print("RESULT " + json.dumps({"c_index": round(c, 4), "good": c > 0.74}))
