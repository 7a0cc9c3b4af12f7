import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_diabetes

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

data = load_diabetes()
x_all = torch.tensor(data.data / data.data.std(axis=0), dtype=torch.float32)
y_all = torch.tensor((data.target - data.target.mean()) / data.target.std(), dtype=torch.float32).view(-1, 1)
idx = rng.permutation(len(x_all))
x_train, y_train = x_all[idx[:350]], y_all[idx[:350]]
x_test, y_test = x_all[idx[350:]], y_all[idx[350:]]

w = torch.randn(x_all.shape[1], 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)


def linear_model(x):
    return torch.mm(x, w) + b


def get_loss(y_, y):
    return torch.mean((y_ - y) ** 2)


lr = 1e-2
steps = 20000
for step in range(steps):
    y_ = linear_model(x_train)
    loss = get_loss(y_, y_train)
    loss.backward()
    w.data = w.data - lr * w.grad.data
    b.data = b.data - lr * b.grad.data
    if step % 2000 == 0:
        print(f"step: {step}, loss: {loss.item():.5f}")

with torch.no_grad():
    test_mse = get_loss(linear_model(x_test), y_test).item()
print("RESULT", json.dumps({"metric": "test_mse", "value": float(test_mse)}))
