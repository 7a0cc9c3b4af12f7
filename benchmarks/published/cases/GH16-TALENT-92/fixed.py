"""Tabular regression with a plain MLP (TALENT style deep method)."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    def __init__(self, d_in, d_layers, dropout, d_out=1):
        super().__init__()
        dims = [d_in] + d_layers
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(dims[:-1], dims[1:]))
        self.dropout = dropout
        self.head = nn.Linear(dims[-1], d_out)

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
            if self.dropout:
                x = F.dropout(x, self.dropout, self.training)
        return self.head(x).squeeze(-1)


class DeepMethod:
    def __init__(self, d_in, lr=1e-3, weight_decay=1e-5, batch_size=128, max_epoch=30):
        self.model = MLP(d_in, [128, 128], dropout=0.0)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=lr, weight_decay=weight_decay)
        self.batch_size, self.max_epoch = batch_size, max_epoch
        self.criterion = F.mse_loss

    def data_label_process(self, y):
        self.mean, self.std = y["train"].mean(), y["train"].std()
        return {k: ((v - self.mean) / self.std).reshape(-1, 1) for k, v in y.items()}

    def fit(self, X, y):
        loader = DataLoader(TensorDataset(X["train"], y["train"]), batch_size=self.batch_size, shuffle=True)
        best, best_state = float("inf"), None
        for epoch in range(self.max_epoch):
            self.model.train()
            tl = 0.0
            for xb, yb in loader:
                loss = self.criterion(self.model(xb), yb.squeeze(-1))
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                tl += loss.item()
            vres = self.rmse(X["val"], y["val"])
            if vres < best:
                best = vres
                best_state = {k: v.clone() for k, v in self.model.state_dict().items()}
            if epoch % 5 == 0:
                print(f"epoch {epoch}, train loss={tl / len(loader):.4f} val rmse={vres:.4f}")
        self.model.load_state_dict(best_state)

    @torch.no_grad()
    def rmse(self, x, y):
        self.model.eval()
        pred = self.model(x).numpy() * self.std
        true = y.numpy().ravel() * self.std
        return float(np.sqrt(np.mean((pred - true) ** 2)))


def main(seed):
    np.random.seed(seed)
    torch.manual_seed(seed)
    x, t = make_friedman1(n_samples=6000, n_features=10, noise=0.5, random_state=seed)
    x = (x - 0.5) / 0.29
    xtr, xte, ttr, tte = train_test_split(x, t, test_size=0.2, random_state=seed)
    xtr, xva, ttr, tva = train_test_split(xtr, ttr, test_size=0.2, random_state=seed)
    method = DeepMethod(10)
    y = method.data_label_process({"train": ttr, "val": tva, "test": tte})
    y = {k: torch.tensor(v, dtype=torch.float32) for k, v in y.items()}
    X = {k: torch.tensor(v, dtype=torch.float32) for k, v in {"train": xtr, "val": xva, "test": xte}.items()}
    method.fit(X, y)
    rmse = method.rmse(X["test"], y["test"])
    print("test RMSE", rmse)
    print("RESULT " + json.dumps({"metric": "test RMSE", "value": round(rmse, 4)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
