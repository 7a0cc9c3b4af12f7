import json
import sys

import torch
from mlxtend.data import autompg_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.hidden1 = nn.Linear(n_features, 64)
        self.hidden2 = nn.Linear(64, 64)
        self.out = nn.Linear(64, 1)
        for layer in (self.hidden1, self.hidden2, self.out):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = torch.relu(self.hidden1(x))
        x = torch.relu(self.hidden2(x))
        return self.out(x)


def load():
    x, y = autompg_data()
    x = torch.tensor(x[:, :7], dtype=torch.float32)
    # the origin column is a category
    origin = nn.functional.one_hot(x[:, 6].long() - 1, 3)
    x = torch.cat([x[:, :6], origin], dim=1)
    return x, torch.tensor(y, dtype=torch.float32).view(-1, 1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    x, y = load()
    perm = torch.randperm(len(x))
    train, test = perm[:314], perm[314:]
    x = (x - x[train].mean(0)) / x[train].std(0)
    loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=32, shuffle=True)

    model = Regressor(9)
    opt = torch.optim.Adam(model.parameters(), lr=0.001)
    mse = nn.MSELoss()
    for epoch in range(150):
        for xb, yb in loader:
            opt.zero_grad()
            loss = mse(model(xb), yb)
            loss.backward()
            opt.step()
        if epoch % 25 == 0:
            print(epoch, loss.item())

    with torch.no_grad():
        error = mse(model(x[test]), y[test]) / y[test].var(unbiased=False)
    print("RESULT", json.dumps({"metric": "mse / var(y)", "value": error.item()}))


main()
