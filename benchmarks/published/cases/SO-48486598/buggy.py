"""Fit a degree-5 polynomial."""
import json
import sys

import torch
from torch import nn


def target(x):
    return 0.05 * (15.72807 * x - 7.273893 * x**2 + 1.4912 * x**3 - 0.1384615 * x**4 + 0.00474359 * x**5)


def build():
    return nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 5), nn.Linear(5, 1))


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    x = torch.arange(0, 10, 0.025).unsqueeze(1)
    y = target(x)
    shuffled = torch.randperm(len(x))
    train, test = shuffled[:300], shuffled[300:]
    model = build()
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for epoch in range(100):
        for batch in train[torch.randperm(300)].split(20):
            loss = loss_fn(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 20 == 0:
            print(f"epoch {epoch}: {loss.item():.5f}")
    with torch.no_grad():
        value = (loss_fn(model(x[test]), y[test]) / y[test].var(unbiased=False)).item()
    print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))


main()
