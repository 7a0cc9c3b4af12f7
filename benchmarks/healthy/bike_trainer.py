"""Bike-share demand from hour, weekday and weather, with a Trainer class, argparse and early stopping."""
import argparse
import copy
import json

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("seed", nargs="?", type=int, default=0)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--max-epochs", type=int, default=80)
    p.add_argument("--patience", type=int, default=8)
    return p.parse_args()


def simulate(n, rng):
    hour, wd = rng.integers(0, 24, n), rng.integers(0, 7, n)
    temp, hum, wind = rng.uniform(-5, 35, n), rng.uniform(20, 100, n), rng.gamma(2., 6., n)
    work = wd < 5
    rush = np.exp(-((hour - 8) / 1.5) ** 2) + 1.2 * np.exp(-((hour - 17.5) / 2.) ** 2)
    leisure = np.exp(-((hour - 14) / 4.) ** 2)
    log_rate = (3.0 + np.where(work, 1.6 * rush + .6 * leisure, 1.7 * leisure)
                + 1.2 * np.exp(-((temp - 24) / 12) ** 2) - .012 * np.maximum(hum - 60, 0) - .015 * wind
                - .9 * ((hour < 5)))
    count = rng.poisson(np.exp(log_rate) * rng.gamma(40, 1 / 40, n))
    feats = np.column_stack([np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24),
                             np.sin(4 * np.pi * hour / 24), np.cos(4 * np.pi * hour / 24),
                             np.sin(6 * np.pi * hour / 24), np.cos(6 * np.pi * hour / 24),
                             work.astype(float), (temp - 15) / 11.5, (hum - 60) / 23, (wind - 12) / 8.5])
    return feats.astype("float32"), np.log1p(count).astype("float32"), log_rate


class Trainer:
    def __init__(self, model, args, loaders):
        self.model, self.args = model, args
        self.train_loader, self.val_loader = loaders
        self.opt = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-3)
        self.sched = torch.optim.lr_scheduler.ReduceLROnPlateau(self.opt, factor=0.4, patience=3)
        self.criterion = nn.SmoothL1Loss()
        self.best, self.best_state, self.bad = float("inf"), None, 0

    def _epoch(self, loader, train):
        self.model.train(train)
        total, n = 0.0, 0
        with torch.set_grad_enabled(train):
            for x, y in loader:
                loss = self.criterion(self.model(x).squeeze(1), y)
                if train:
                    self.opt.zero_grad()
                    loss.backward()
                    self.opt.step()
                total += loss.item() * len(x)
                n += len(x)
        return total / n

    def fit(self):
        for epoch in range(1, self.args.max_epochs + 1):
            tr, va = self._epoch(self.train_loader, True), self._epoch(self.val_loader, False)
            self.sched.step(va)
            if va < self.best - 1e-5:
                self.best, self.bad = va, 0
                self.best_state = copy.deepcopy(self.model.state_dict())
            else:
                self.bad += 1
            if epoch % 5 == 0:
                print(f"epoch {epoch} train {tr:.5f} val {va:.5f} lr {self.opt.param_groups[0]['lr']:.1e}")
            if self.bad >= self.args.patience:
                print("early stop at", epoch)
                break
        self.model.load_state_dict(self.best_state)


def main():
    args = parse()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    x, y, _ = simulate(9000, rng)
    xt, yt, log_rate = simulate(3000, rng)
    centre, scale = y.mean(), y.std()
    data = TensorDataset(torch.from_numpy(x), torch.from_numpy((y - centre) / scale))
    tr, va = random_split(data, [7500, 1500])
    loaders = DataLoader(tr, args.batch_size, shuffle=True), DataLoader(va, 500)
    model = nn.Sequential(nn.Linear(10, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
    Trainer(model, args, loaders).fit()
    model.eval()
    with torch.no_grad():
        p = model(torch.from_numpy(xt)).squeeze(1).numpy() * scale + centre
    r2 = 1 - np.mean((p - yt) ** 2) / yt.var()
    oracle = np.log1p(np.exp(log_rate))
    ceiling = 1 - np.mean((oracle - yt) ** 2) / yt.var()
    print(f"R2 {r2:.4f} (true rate: {ceiling:.4f})")
    print("RESULT", json.dumps({"r2": round(float(r2), 4), "good": bool(r2 > ceiling - 0.015)}))


if __name__ == "__main__":
    main()
