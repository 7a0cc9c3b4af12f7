"""Income above 50k? 14 census columns."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


def census(n, rng):
    age = rng.integers(17, 90, n)
    workclass = rng.integers(0, 8, n)
    weight = rng.gamma(3.3, 57000, n)
    education = rng.integers(0, 16, n)
    years = rng.integers(1, 17, n)
    marital = rng.integers(0, 7, n)
    job = rng.integers(0, 15, n)
    relation = rng.integers(0, 6, n)
    race = rng.integers(0, 5, n)
    sex = rng.integers(0, 2, n)
    gain = np.where(rng.random(n) < 0.08, rng.gamma(2, 6000, n), 0)
    loss = np.where(rng.random(n) < 0.05, rng.normal(1870, 300, n), 0)
    hours = rng.normal(40, 12, n)
    country = rng.integers(0, 42, n)
    x = np.column_stack([age, workclass, weight, education, years, marital, job, relation, race, sex,
                         gain, loss, hours, country])
    score = (years - 11) * 0.6 + (hours - 42) * 0.08 + (marital < 2) * 2.2 + (age > 35) * 1.2 + (gain > 5000) * 4 - 1.8
    return x.astype(np.float32), (score + rng.logistic(0, 0.5, n) > 0).astype(np.int64)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense1 = nn.Linear(14, 21)
        self.dense2 = nn.Linear(21, 2)
        for d in (self.dense1, self.dense2):
            nn.init.xavier_uniform_(d.weight)
            nn.init.zeros_(d.bias)

    def forward(self, x):
        return self.dense2(torch.relu(self.dense1(x)))


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    x, y = census(3000, rng)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    loader = DataLoader(TensorDataset(x[:2400], y[:2400]), batch_size=100, shuffle=True)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(25):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        acc = (model(x[2400:]).argmax(1) == y[2400:]).float().mean().item()
    print("share of class 0:", (y[2400:] == 0).float().mean().item())
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


main()
