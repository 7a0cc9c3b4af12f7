import json
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

ACTIVATION = nn.ReLU


def mlp(sizes):
    layers = []
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1]):
        linear = nn.Linear(n_in, n_out)
        nn.init.kaiming_normal_(linear.weight)
        layers += [linear, ACTIVATION()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def run(seed):
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 8 - 1
    y = torch.tensor(digits.target)
    x_train, y_train, x_test, y_test = x[:1500], y[:1500], x[1500:], y[1500:]
    model = mlp([64] + [64] * 9 + [10])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    for epoch in range(15):
        for batch in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (model(x_test).argmax(-1) == y_test).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")
    return accuracy


print("RESULT", json.dumps({"metric": "accuracy", "value": run(int(sys.argv[1]) if len(sys.argv) > 1 else 0)}))
