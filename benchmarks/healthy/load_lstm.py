"""Hourly load, one step ahead: an LSTM over the last two days, chronological split, scaler fitted on the past only."""
import argparse
import copy
import json

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, Dataset


def make_series(hours, sigma, rng):
    t = np.arange(hours)
    day = 60 * np.sin(2 * np.pi * (t - 7) / 24) + 25 * np.sin(4 * np.pi * (t - 3) / 24)
    weekend = ((t // 24) % 7 >= 5).astype(float)
    season = 40 * np.cos(2 * np.pi * t / (24 * 365))
    ar = np.zeros(hours)
    for i in range(1, hours):
        ar[i] = 0.85 * ar[i - 1] + rng.normal(0, sigma)
    return 300 + day * (1 - 0.4 * weekend) - 30 * weekend + season + ar


class Windows(Dataset):
    def __init__(self, series, calendar, length):
        self.series = torch.tensor(np.column_stack([series, calendar]), dtype=torch.float32)
        self.length = length

    def __len__(self):
        return len(self.series) - self.length

    def __getitem__(self, i):
        return self.series[i:i + self.length], self.series[i + self.length, :1]


class LoadLSTM(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.head(out[:, -1])


def run_epoch(model, loader, criterion, optimizer=None):
    model.train(optimizer is not None)
    total = 0.0
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            loss = criterion(model(x), y)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            total += loss.item() * len(x)
    return total / len(loader.dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--window", type=int, default=36)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--lr", type=float, default=4e-3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)

    sigma = 6.0
    series = make_series(6000, sigma, rng)
    n_train, n_val = 4200, 800
    scaler = StandardScaler().fit(series[:n_train, None])
    scaled = scaler.transform(series[:, None])[:, 0]
    t = np.arange(len(series))
    calendar = np.column_stack([np.sin(2 * np.pi * t / 24), np.cos(2 * np.pi * t / 24), ((t // 24) % 7 >= 5)])

    def part(a, b):
        return Windows(scaled[a:b], calendar[a:b], args.window)

    w = args.window
    train_loader = DataLoader(part(0, n_train), batch_size=64, shuffle=True)
    val_loader = DataLoader(part(n_train - w, n_train + n_val), batch_size=256)
    test_set = part(n_train + n_val - w, len(series))
    test_loader = DataLoader(test_set, batch_size=256)

    model = LoadLSTM(4, args.hidden)
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.3)
    best, best_state = float("inf"), None
    for epoch in range(args.epochs):
        train_loss = run_epoch(model, train_loader, criterion, optimizer)
        val_loss = run_epoch(model, val_loader, criterion)
        scheduler.step()
        if val_loss < best:
            best, best_state = val_loss, copy.deepcopy(model.state_dict())
        print(f"epoch {epoch:2d}  train mse {train_loss:.5f}  val mse {val_loss:.5f}{'  *' if val_loss == best else ''}")

    model.load_state_dict(best_state)
    rmse = np.sqrt(run_epoch(model, test_loader, criterion)) * scaler.scale_[0]
    actual = series[n_train + n_val:]
    naive = np.sqrt(np.mean((actual - series[n_train + n_val - 24:-24]) ** 2))
    last = np.sqrt(np.mean((actual - series[n_train + n_val - 1:-1]) ** 2))
    print(f"test RMSE {rmse:.2f} (same hour yesterday {naive:.2f}, last hour {last:.2f}, the noise alone {sigma:.2f})")
    print("RESULT", json.dumps({"metric": "test RMSE / noise", "value": round(float(rmse / sigma), 4),
                                "good": bool(rmse <= 1.3 * sigma)}))
