# Predict the last 20 values of a cubic from its first 80 values
import json
import math
import sys

import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

x = np.linspace(-10, 10, 100)


def cubics(n):
    a, b, c = np.random.uniform(0.5, 1.5, (3, n, 1))
    return torch.tensor(a * x ** 3 + b * x ** 2 + c * x, dtype=torch.float64)


train, test = cubics(64), cubics(64)
params, trgts = train[:, :80], train[:, 80:]

weights = torch.tensor(np.random.normal(0, 3, (80, 20)), requires_grad=True)
bias = torch.tensor(np.random.normal(0, 3, (1, 1)), requires_grad=True)
loss_fn = torch.nn.MSELoss(reduction="sum")
lr = 1e-8


def apply_step(inp, out):
    preds = inp @ weights + bias
    loss = loss_fn(preds, out)
    loss.backward()
    with torch.no_grad():
        for p in (weights, bias):
            p -= p.grad * lr
            p.grad.zero_()
    return loss.item()


for epoch in range(60):
    total = 0.0
    for i in range(len(params)):
        total += apply_step(params[i:i + 1], trgts[i:i + 1])
    if epoch % 5 == 0:
        print(epoch, total / len(params))

with torch.no_grad():
    err = ((test[:, :80] @ weights + bias - test[:, 80:]) ** 2).mean() / test[:, 80:].var()
value = err.item()
print("RESULT", json.dumps({"metric": "test mse / var", "value": value if math.isfinite(value) else None}))
