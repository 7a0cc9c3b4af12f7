"""N-BEATS, interpretable (trend and seasonality), on hourly load curves."""
import argparse
import json
from math import pi

import numpy as np
import torch as t
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int, nargs="?", default=0)
args = parser.parse_args()
np.random.seed(args.seed)
t.manual_seed(args.seed)

HORIZON, LOOKBACK, PERIOD = 24, 7, 24
INPUT = HORIZON * LOOKBACK
ITERATIONS, BATCH, LR = 900, 192, 1e-3


def make_series(n=60, hours=24 * 90):
    h = np.arange(hours)
    out = []
    for _ in range(n):
        a, b, c = np.random.uniform(0.15, 0.4), np.random.uniform(0.05, 0.2), np.random.uniform(0.05, 0.15)
        pa, pb, pc = np.random.uniform(0, 2 * pi, 3)
        slope = np.random.uniform(-0.3, 0.5) / hours
        level = np.exp(np.random.normal(3, 1))
        walk = np.cumsum(np.random.normal(0, 0.006, hours))
        walk -= walk.mean()
        y = (1 + a * np.sin(2 * pi * h / 24 + pa) + b * np.sin(4 * pi * h / 24 + pb) + c * np.sin(2 * pi * h / 168 + pc)
             + slope * h + 0.3 * walk)
        out.append(level * np.clip(y, 0.1, None) * np.exp(np.random.normal(0, 0.05, hours)))
    return np.array(out, dtype=np.float32)


class NBeatsBlock(nn.Module):
    def __init__(self, input_size, theta_size, basis_function, layers, layer_size):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(input_size, layer_size)]
                                    + [nn.Linear(layer_size, layer_size) for _ in range(layers - 1)])
        self.basis_parameters = nn.Linear(layer_size, theta_size)
        self.basis_function = basis_function

    def forward(self, x):
        for layer in self.layers:
            x = t.relu(layer(x))
        return self.basis_function(self.basis_parameters(x))


class NBeats(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = blocks

    def forward(self, x):
        level = x[:, -1:]
        residuals, forecast = x.flip(dims=(1,)), level
        for block in self.blocks:
            backcast, block_forecast = block(residuals)
            residuals = residuals - backcast
            forecast = forecast + block_forecast
        return forecast


class Basis(nn.Module):
    """Fixed curves over the past and the future; theta weighs them."""

    def __init__(self, back, fore):
        super().__init__()
        self.backcast_basis = nn.Parameter(t.tensor(back, dtype=t.float32), requires_grad=False)
        self.forecast_basis = nn.Parameter(t.tensor(fore, dtype=t.float32), requires_grad=False)

    def forward(self, theta):
        k = self.backcast_basis.shape[0]
        return theta[:, :k] @ self.backcast_basis, theta[:, k:] @ self.forecast_basis


def trend_basis(degree):
    back = np.stack([(np.arange(INPUT) / INPUT) ** i for i in range(degree + 1)])
    fore = np.stack([(np.arange(HORIZON) / HORIZON) ** i for i in range(degree + 1)])
    return Basis(back, fore), 2 * (degree + 1)


def seasonality_basis(harmonics):
    freq = np.append(np.zeros(1), np.arange(harmonics, harmonics / 2 * HORIZON) / harmonics)[None]
    back_grid = -2 * pi * (np.arange(INPUT)[:, None] / HORIZON) * freq
    fore_grid = 2 * pi * (np.arange(HORIZON)[:, None] / HORIZON) * freq
    back = np.concatenate([np.cos(back_grid).T, np.sin(back_grid).T])
    fore = np.concatenate([np.cos(fore_grid).T, np.sin(fore_grid).T])
    return Basis(back, fore), 2 * len(back)


def smape_2_loss(forecast, target):
    return 200 * t.mean(t.abs(forecast - target) / (forecast.abs().detach() + target.abs() + 1e-8))


series = make_series()
train, test = series[:, :-24 * 14], series[:, -24 * 14 - INPUT:]


def sample():
    while True:
        rows = np.random.randint(len(train), size=BATCH)
        cuts = np.random.randint(INPUT, train.shape[1] - HORIZON + 1, size=BATCH)
        window = np.stack([train[r, c - INPUT:c + HORIZON] for r, c in zip(rows, cuts)])
        window = window / window[:, :INPUT].mean(1, keepdims=True)
        yield t.from_numpy(window[:, :INPUT]), t.from_numpy(window[:, INPUT:])


trend, n_trend = trend_basis(2)
season, n_season = seasonality_basis(1)
trend_block = NBeatsBlock(INPUT, n_trend, trend, 3, 64)
season_block = NBeatsBlock(INPUT, n_season, season, 3, 256)
model = NBeats(nn.ModuleList([trend_block] * 2 + [season_block] * 2))  # blocks of a stack share their weights

optimizer = t.optim.Adam(model.parameters(), lr=LR)
lr_decay_step = ITERATIONS // 3
batches = iter(sample())
history = []
for i in range(1, ITERATIONS + 1):
    model.train()
    x, y = next(batches)
    optimizer.zero_grad()
    loss = smape_2_loss(model(x), y)
    loss.backward()
    t.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    for group in optimizer.param_groups:
        group["lr"] = LR * 0.5 ** (i // lr_decay_step)
    history.append(loss.item())
    if i % 100 == 0:
        print(f"iteration {i}: sMAPE of the last 100 batches {np.mean(history[-100:]):.3f}")

# the last 14 days of each curve, one day at a time; the naive forecast repeats the same day of the week before
model.eval()
ours, naive = [], []
for day in range(14):
    cut = INPUT + day * HORIZON
    past, future = test[:, cut - INPUT:cut], test[:, cut:cut + HORIZON]
    scale = past.mean(1, keepdims=True)
    with t.no_grad():
        pred = model(t.from_numpy(past / scale)).numpy() * scale
    ours.append(200 * np.abs(pred - future) / (np.abs(pred) + np.abs(future)))
    last_week = test[:, cut - 168:cut - 168 + HORIZON]
    naive.append(200 * np.abs(last_week - future) / (np.abs(last_week) + np.abs(future)))
ours, naive = np.mean(ours), np.mean(naive)
print(f"test sMAPE {ours:.3f}, of the same day of last week {naive:.3f}")
print("RESULT", json.dumps({"metric": "sMAPE / naive", "value": round(float(ours / naive), 4), "good": bool(ours <= 0.85 * naive)}))
