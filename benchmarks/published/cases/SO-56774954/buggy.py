import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_regression

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# ten inputs, three numeric outputs
X, Y = make_regression(n_samples=1000, n_features=10, n_targets=3, random_state=seed)
X, Y = X.astype(np.float32), Y.astype(np.float32)
X_train, X_test = torch.from_numpy(X[:800]), torch.from_numpy(X[800:])
Y_train, Y_test = torch.from_numpy(Y[:800]), torch.from_numpy(Y[800:])

model = nn.Sequential(
    nn.Linear(10, 100), nn.Sigmoid(),
    nn.Linear(100, 80), nn.Sigmoid(),
    nn.Linear(80, 3), nn.Softmax(dim=-1),
)


def poisson(y_pred, y_true):
    return (y_pred - y_true * torch.log(y_pred + 1e-7)).mean()


optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(30):
    order = torch.randperm(len(X_train))
    running = 0.0
    for batch in order.split(32):
        optimizer.zero_grad()
        loss = poisson(model(X_train[batch]), Y_train[batch])
        loss.backward()
        optimizer.step()
        running += loss.item() * len(batch)
    print("epoch", epoch + 1, "loss", running / len(X_train))

with torch.no_grad():
    pred = model(X_test)
    rel = (((pred - Y_test) ** 2).mean(0) / Y_test.var(0, unbiased=False)).mean().item()
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(rel, 6)}))
