"""Fill in missing sensor values: a network trained on random masks of correlated Gaussian readings.
The best possible error is known exactly (conditional expectation)."""
import json
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
D, R = 12, 3
load = rng.normal(size=(D, R))
cov = load @ load.T + 0.4 * np.eye(D)
sd = np.sqrt(np.diag(cov))
cov = cov / sd[:, None] / sd[None]                     # readings have unit variance
chol = torch.tensor(np.linalg.cholesky(cov), dtype=torch.float32)


def draw(n):
    return torch.randn(n, D) @ chol.T


def masks(n):
    """True where a reading is hidden; between 15 and 60 per cent of each row."""
    return torch.rand(n, D) < torch.empty(n, 1).uniform_(0.15, 0.6)


class Imputer(nn.Module):
    def __init__(self, h=96):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 * D, h), nn.GELU(), nn.Linear(h, h), nn.GELU(), nn.Linear(h, D))

    def forward(self, x, hidden):
        return self.net(torch.cat([x.masked_fill(hidden, 0.0), hidden.float()], 1))


def masked_mse(pred, x, hidden):
    return ((pred - x) ** 2)[hidden].mean()


def optimal(x, hidden):
    x, hidden, err, n = x.double().numpy(), hidden.numpy(), 0.0, 0
    for row, h in zip(x, hidden):
        o = ~h
        if not h.any():
            continue
        mu = cov[np.ix_(h, o)] @ np.linalg.solve(cov[np.ix_(o, o)], row[o]) if o.any() else np.zeros(h.sum())
        err += ((row[h] - mu) ** 2).sum()
        n += h.sum()
    return err / n


train, val, test = draw(20000), draw(2000), draw(3000)
vmask, tmask = masks(len(val)), masks(len(test))
model = Imputer()
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
EPOCHS, B = 20, 200
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS * len(train) // B)
for epoch in range(EPOCHS):
    model.train()
    tot = 0.0
    for idx in torch.randperm(len(train)).split(B):
        xb, mb = train[idx], masks(len(idx))
        loss = masked_mse(model(xb, mb), xb, mb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item()
    model.eval()
    with torch.no_grad():
        v = masked_mse(model(val, vmask), val, vmask).item()
    print(f"epoch {epoch + 1} train masked mse {tot / (len(train) // B):.4f} val {v:.4f}")

with torch.no_grad():
    mse = masked_mse(model(test, tmask), test, tmask).item()
best = optimal(test, tmask)
print(f"test {mse:.4f}, conditional expectation {best:.4f}, column means {(test ** 2)[tmask].mean():.4f}")
print("RESULT " + json.dumps({"mse_over_optimal": round(mse / best, 4), "good": bool(mse < 1.08 * best)}))
