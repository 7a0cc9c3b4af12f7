"""Heart disease risk, logistic regression with two softmax outputs."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn


def patients(rng, n=600):
    sbp = rng.normal(138, 20, n)
    tobacco = rng.gamma(1.0, 3.6, n)
    ldl = rng.gamma(5.0, 0.95, n)
    adiposity = rng.normal(25, 7.8, n)
    famhist = rng.integers(0, 2, n)
    typea = rng.normal(53, 10, n)
    obesity = rng.normal(26, 4.2, n)
    alcohol = rng.gamma(0.5, 34, n)
    age = rng.uniform(15, 64, n)
    X = np.stack([sbp, tobacco, ldl, adiposity, famhist, typea, obesity, alcohol, age], 1)
    risk = 0.3 * (tobacco - 3.6) + 0.6 * (ldl - 4.7) + 1.6 * (famhist - 0.5) + 0.1 * (age - 40) + 0.06 * (typea - 53)
    y = (rng.random(n) < 1 / (1 + np.exp(-1.5 * risk))).astype(int)
    return X, y


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)
X, y = patients(rng)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y)
X_train, y_train, X_test, y_test = X[:450], y[:450], X[450:], y[450:]

learning_rate = 0.5
beta = 1.0
epochs = 25

model = nn.Linear(9, 2)
nn.init.trunc_normal_(model.weight, std=1.0)
nn.init.zeros_(model.bias)
optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(epochs):
    for rows in torch.randperm(450).split(7):
        loss = loss_fn(model(X_train[rows]), y_train[rows]) + beta * 0.5 * model.weight.pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        train_acc = (model(X_train).argmax(1) == y_train).float().mean().item()
        print(f"epoch {epoch} cost {loss.item():.3f} accuracy {train_acc:.3f}")

with torch.no_grad():
    test_acc = (model(X_test).argmax(1) == y_test).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": test_acc}))
