import json
import math
import sys

import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)

# y = 2x + 4 with some noise, first column is the bias
T = 100
x = np.arange(T, dtype=np.float64)
y = 2 * x + 4 + 10 * rng.random(T)
test = np.zeros(T, dtype=bool)
test[rng.permutation(T)[:20]] = True
features = torch.tensor(np.column_stack([np.ones(T), x]), dtype=torch.float32)
target = torch.tensor(y, dtype=torch.float32).reshape(-1, 1)
train = torch.tensor(~test)

w = torch.zeros(2, 1, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.5)
for step in range(1000):
    prediction = features[train] @ w
    cost = ((prediction - target[train]) ** 2).sum() / (2 * train.sum())
    optimizer.zero_grad()
    cost.backward()
    optimizer.step()
    if step % 100 == 0:
        print(step, cost.item())

with torch.no_grad():
    rest = target[~train]
    value = (((features[~train] @ w - rest) ** 2).mean() / rest.var(unbiased=False)).item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value if math.isfinite(value) else None}))
