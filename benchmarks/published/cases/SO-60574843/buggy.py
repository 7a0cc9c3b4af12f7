import argparse
import json

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_regression


class Forecaster(nn.Module):
    def __init__(self, n_features, hidden=48):
        super().__init__()
        self.gru1 = nn.GRU(n_features, hidden, batch_first=True)
        self.gru2 = nn.GRU(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        x, _ = self.gru1(x)
        x, _ = self.gru2(x)
        return torch.sigmoid(self.head(x[:, -1]))


def main(args):
    torch.manual_seed(args.seed)
    X, y = make_regression(1200, 12, noise=5.0, random_state=args.seed)
    X = torch.tensor(X, dtype=torch.float32).unsqueeze(1)
    y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
    X_train, y_train, X_test, y_test = X[:1000], y[:1000], X[1000:], y[1000:]

    model = Forecaster(12)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    loss_fn = nn.MSELoss()
    for epoch in range(args.epochs):
        model.train()
        perm = np.random.default_rng(epoch).permutation(len(X_train))
        for i in range(0, len(perm), args.batch_size):
            batch = torch.as_tensor(perm[i:i + args.batch_size])
            optimizer.zero_grad()
            loss = loss_fn(model(X_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            pred = model(X_test)
            val = loss_fn(pred, y_test)
        print(f"[{epoch + 1:02d}] loss {loss.item():.3f} val {val.item():.3f}")
    r2 = 1 - ((pred - y_test) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum()
    print("RESULT " + json.dumps({"metric": "r2", "value": r2.item()}))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("seed", nargs="?", type=int, default=0)
    p.add_argument("--epochs", type=int, default=20)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--batch-size", type=int, default=64)
    main(p.parse_args())
