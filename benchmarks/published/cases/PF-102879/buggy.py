import json
import sys

import torch
import torch.nn as nn
from sklearn.preprocessing import StandardScaler
from mlxtend.data import boston_housing_data
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, n_in=13, n_hidden=128):
        super().__init__()
        self.net = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(n_in, n_hidden),
            nn.PReLU(),
            nn.Dropout(0.5),
            nn.Linear(n_hidden, 1),
        )

    def forward(self, x):
        return self.net(x)


def train(model, loader, epochs):
    criterion = nn.L1Loss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.001)
    model.train()
    for epoch in range(epochs):
        running = 0.0
        for x, y in loader:
            output = model(x)
            loss = criterion(output, y)
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
            running += loss.item()
        if epoch % 10 == 0:
            print(f"epoch {epoch}: L1 {running / len(loader):.4f}")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    X, y = boston_housing_data()
    X = torch.tensor(StandardScaler().fit_transform(X), dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)
    perm = torch.randperm(len(X))
    train_idx, test_idx = perm[:400], perm[400:]
    loader = DataLoader(TensorDataset(X[train_idx], y[train_idx]), batch_size=20, shuffle=True)

    model = Regressor()
    train(model, loader, epochs=60)
    model.eval()
    with torch.no_grad():
        pred = model(X[test_idx]).reshape(-1)
        target = y[test_idx]
        value = ((pred - target) ** 2).mean() / target.var(unbiased=False)
    print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value.item()}))


main()
