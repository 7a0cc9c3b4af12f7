"""Predict the shares of six components from 28 measurements."""
import json
import sys

import numpy as np
import torch
from sklearn.datasets import make_regression
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load(seed):
    X, Y = make_regression(n_samples=3000, n_features=28, n_targets=6, random_state=seed)
    keep = np.abs(Y.sum(axis=1)) > 50         # skip rows whose total is close to zero
    X, Y = X[keep][:2000], Y[keep][:2000]
    Y = Y / Y.sum(axis=1, keepdims=True)      # each row sums to one
    return X.astype(np.float32), Y.astype(np.float32)


def build():
    net = nn.Sequential(
        nn.Linear(28, 20), nn.ReLU(),
        nn.Linear(20, 15), nn.ReLU(),
        nn.Linear(15, 6), nn.ReLU(),
        nn.Linear(6, 6),
    )
    for m in net.modules():
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=0.05)
            nn.init.zeros_(m.bias)
    return net


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    X, Y = load(seed)
    train_ds = TensorDataset(torch.from_numpy(X[:1600]), torch.from_numpy(Y[:1600]))
    X_val, Y_val = torch.from_numpy(X[1600:]), torch.from_numpy(Y[1600:])
    net = build()
    opt = torch.optim.Adam(net.parameters(), lr=0.001)
    mae = nn.L1Loss()
    for epoch in range(100):
        total = 0.0
        for xb, yb in DataLoader(train_ds, batch_size=32, shuffle=True):
            loss = mae(net(xb), yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() * len(xb)
        if (epoch + 1) % 10 == 0:
            with torch.no_grad():
                print(f"epoch {epoch + 1}: mae {total / 1600:.4f} val_mae {mae(net(X_val), Y_val).item():.4f}")

    with torch.no_grad():
        err = mae(net(X_val), Y_val).item()
    spread = (Y_val - Y_val.median(dim=0).values).abs().mean().item()
    print("RESULT " + json.dumps({"metric": "mae / mad(y)", "value": round(err / spread, 6)}))


if __name__ == "__main__":
    main()
