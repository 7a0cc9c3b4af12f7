"""Volatility of daily returns: a GRU puts out the scale of a Student-t, whose degrees of freedom are learned too.
The returns themselves cannot be predicted.  Their log-density is large, so the loss is negative and moves little."""
import json
import math
import sys
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass
class Config:
    seed: int = 0
    series: int = 200
    days: int = 240
    hidden: int = 16
    epochs: int = 9
    batch: int = 10
    lr: float = 5e-3


def simulate(cfg, n, rng):
    omega, alpha, beta, df = 4e-6, 0.18, 0.78, 6.0
    h = np.full(n, omega / (1 - alpha - beta))
    r, hs = np.zeros((n, cfg.days)), np.zeros((n, cfg.days))
    for t in range(-100, cfg.days):
        e = np.sqrt(h) * rng.standard_t(df, n) * math.sqrt((df - 2) / df)
        if t >= 0:
            r[:, t], hs[:, t] = e, h
        h = omega + alpha * e ** 2 + beta * h
    scale = np.sqrt(hs * (df - 2) / df)
    return torch.tensor(r, dtype=torch.float32), torch.tensor(scale, dtype=torch.float32)


class VolGRU(nn.Module):
    def __init__(self, hidden, typical):
        super().__init__()
        self.typical = typical
        self.gru = nn.GRU(2, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)
        self.raw_df = nn.Parameter(torch.tensor(2.0))

    @property
    def df(self):
        return 2.0 + nn.functional.softplus(self.raw_df)

    def forward(self, r):
        z = r / self.typical
        feats = torch.stack([z, torch.log(z ** 2 + 0.05)], -1)
        feats = torch.cat([torch.zeros_like(feats[:, :1]), feats[:, :-1]], 1)     # yesterday and before only
        return self.typical * self.out(self.gru(feats)[0]).squeeze(-1).exp()


def nll(r, scale, df):
    return -torch.distributions.StudentT(df, 0.0, scale).log_prob(r)


class ConstantVol(nn.Module):
    def __init__(self, typical):
        super().__init__()
        self.typical = typical
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.raw_df = nn.Parameter(torch.tensor(2.0))

    def forward(self):
        return self.typical * self.log_scale.exp(), 1.0 + nn.functional.softplus(self.raw_df)


def fit_constant(r):
    """The two numbers that a model without memory has, by full-batch L-BFGS."""
    m = ConstantVol(r.std().item())
    opt = torch.optim.LBFGS(m.parameters(), lr=0.5, line_search_fn="strong_wolfe")

    def closure():
        opt.zero_grad()
        loss = nll(r, *m()).mean()
        loss.backward()
        return loss

    for k in range(2):
        print(f"constant volatility, round {k}: {opt.step(closure).item():.4f}")
    return m


def main(cfg):
    torch.set_num_threads(1)
    torch.manual_seed(cfg.seed)
    rng = np.random.default_rng(cfg.seed)
    train, _ = simulate(cfg, cfg.series, rng)
    val, _ = simulate(cfg, 60, rng)
    test, true_scale = simulate(cfg, 120, rng)
    flat_model = fit_constant(train)
    model = VolGRU(cfg.hidden, train.std().item())
    weights = [p for n, p in model.named_parameters() if n != "raw_df"]
    opt = torch.optim.Adam([{"params": weights}, {"params": [model.raw_df], "lr": 0.03}], lr=cfg.lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, cfg.epochs)
    for epoch in range(cfg.epochs):
        total = 0.0
        for idx in torch.randperm(cfg.series).split(cfg.batch):
            loss = nll(train[idx], model(train[idx]), model.df).mean()
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            total += loss.item() * len(idx)
        sched.step()
        with torch.no_grad():
            v = nll(val, model(val), model.df).mean().item()
        print(f"epoch {epoch + 1:2d} train {total / cfg.series:.4f} val {v:.4f} df {model.df.item():.2f}")
    burn = 20
    with torch.no_grad():
        ours = nll(test, model(test), model.df)[:, burn:].mean().item()
        flat = nll(test, *flat_model())[:, burn:].mean().item()
    truth = nll(test, true_scale, torch.tensor(6.0))[:, burn:].mean().item()
    closed = (flat - ours) / (flat - truth)
    print(f"constant volatility {flat:.4f}, GRU {ours:.4f}, true GARCH {truth:.4f}")
    print("RESULT " + json.dumps({"metric": "share_of_gap_closed", "value": round(closed, 4), "good": bool(closed > 0.8)}))


if __name__ == "__main__":
    main(Config(seed=int(sys.argv[1]) if len(sys.argv) > 1 else 0))
