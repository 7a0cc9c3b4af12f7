"""Intensity of taxi calls over the day as an inhomogeneous Poisson process.

log-likelihood of a day = sum_i log lambda(t_i) - integral of lambda.
Event lists have different lengths, so they are stored flat with a day index.
"""
import json
import sys

import numpy as np
import torch
import torch.nn as nn

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)


# ---------------------------------------------------------------- simulation
def rate(t, weekend, rain):
    rush = 5.0 * np.exp(-0.5 * ((t - 8.5) / 1.0) ** 2) + 4.0 * np.exp(-0.5 * ((t - 18.0) / 1.5) ** 2)
    night = 4.5 * np.exp(-0.5 * ((t - 23.0) / 1.2) ** 2) + 4.5 * np.exp(-0.5 * ((t + 1.0) / 1.2) ** 2)
    base = 0.8 + (1 - weekend) * rush + weekend * (night + 1.2 * np.sin(np.pi * t / 24) ** 2)
    return base * (1.0 + 0.7 * rain)


def simulate(days):
    weekend = (rng.random(days) < 2 / 7).astype(float)
    rain = rng.random(days)
    ts, idx = [], []
    for d in range(days):
        lmax = 14.0
        n = rng.poisson(lmax * 24)
        t = np.sort(rng.uniform(0, 24, n))
        keep = rng.uniform(0, lmax, n) < rate(t, weekend[d], rain[d])
        ts.append(t[keep])
        idx.append(np.full(keep.sum(), d))
    return weekend, rain, np.concatenate(ts), np.concatenate(idx)


# --------------------------------------------------------------------- model
class LogIntensity(nn.Module):
    def __init__(self, harmonics=6, hidden=48):
        super().__init__()
        self.register_buffer("k", torch.arange(1, harmonics + 1) * 2 * np.pi / 24)
        self.body = nn.Sequential(nn.Linear(2 * harmonics + 2, hidden), nn.Tanh(),
                                  nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, t, ctx):
        a = t[..., None] * self.k
        return self.body(torch.cat([a.sin(), a.cos(), ctx], -1)).squeeze(-1)


GRID = torch.linspace(0, 24, 97)
W = torch.full((97,), 0.25)
W[0] = W[-1] = 0.125


def day_nll(model, ctx, t, idx):
    """Mean negative log-likelihood per day (negative: the rates exceed one)."""
    n = len(ctx)
    g = model(GRID.expand(n, -1), ctx[:, None, :].expand(-1, 97, -1))
    integral = (g.exp() * W).sum()
    points = model(t, ctx[idx]).sum()
    return (integral - points) / n


def pack(weekend, rain, t, idx):
    ctx = torch.tensor(np.stack([weekend, rain], 1), dtype=torch.float32)
    return ctx, torch.tensor(t, dtype=torch.float32), torch.tensor(idx)


raw_train, raw_val, raw_test = simulate(400), simulate(100), simulate(300)
train, val, test = pack(*raw_train), pack(*raw_val), pack(*raw_test)
order = [torch.nonzero(train[2] == d).squeeze(1) for d in range(400)]

model = LogIntensity()
opt = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-3)
EPOCHS = 40
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 8e-3, total_steps=EPOCHS * 10)
for epoch in range(EPOCHS):
    total = 0.0
    for days in torch.randperm(400).split(40):
        ev = torch.cat([order[d] for d in days.tolist()])
        local = torch.cat([torch.full((len(order[d]),), j) for j, d in enumerate(days.tolist())])
        loss = day_nll(model, train[0][days], train[1][ev], local)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        total += loss.item() / 10
    if epoch % 5 == 4:
        with torch.no_grad():
            print(f"epoch {epoch + 1:3d}  train nll/day {total:9.3f}  val nll/day {day_nll(model, *val).item():9.3f}")


# ----------------------------------------------------------- oracle, baseline
def oracle_nll(raw):
    w, r, t, i = raw
    g = np.linspace(0, 24, 2401)
    integral = sum(np.trapezoid(rate(g, w[d], r[d]), g) for d in range(len(w)))
    return (integral - np.log(rate(t, w[i], r[i])).sum()) / len(w)


def hourly_nll(raw_fit, raw):
    """Hourly counts by weekday/weekend: what an analyst would tabulate."""
    w, r, t, i = raw_fit
    table = np.zeros((2, 24))
    for k in (0, 1):
        sel = w[i] == k
        table[k] = np.bincount(t[sel].astype(int), minlength=24) / (w == k).sum()
    w, r, t, i = raw
    return (sum(table[int(k)].sum() for k in w) - np.log(table[w[i].astype(int), t.astype(int)]).sum()) / len(w)


with torch.no_grad():
    ours = day_nll(model, *test).item()
best, plain = oracle_nll(raw_test), hourly_nll(raw_train, raw_test)
gap = ours - best
print(f"test nll/day: model {ours:.3f}  truth {best:.3f}  hourly table {plain:.3f}")
print("RESULT " + json.dumps({"metric": "nll_gap_to_true_rate", "value": round(gap, 4),
                              "good": bool(gap < 0.3 and gap < 0.3 * (plain - best))}))
