import json
import sys

import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def c_to_f(c):
    return c * 1.8 + 32


n = 2000
celsius = np.random.uniform(-500, 500, n).astype(np.float32)
fahrenheit = (c_to_f(celsius) + 0.3 * np.random.randn(n)).astype(np.float32)
celsius_val = np.random.uniform(-50, 50, 200).astype(np.float32)
fahrenheit_val = c_to_f(celsius_val)

x_mean, x_std = celsius.mean(), celsius.std()
x = torch.from_numpy((celsius - x_mean) / x_std)
y = torch.from_numpy(fahrenheit)
x_val = torch.from_numpy((celsius_val - x_mean) / x_std)
y_val = torch.from_numpy(fahrenheit_val)

a = torch.randn(1, requires_grad=True)
b = torch.randn(1, requires_grad=True)
learning_rate = 1e-3


def mse(y_hat, y):
    return ((y_hat - y) ** 2).mean()


for epoch in range(5000):
    loss = mse(a * x + b, y)
    loss.backward()
    with torch.no_grad():
        a -= learning_rate * a.grad
        b -= learning_rate * b.grad
    a.grad.zero_()
    b.grad.zero_()
    if epoch % 500 == 0:
        print(f"{epoch}: loss {loss.item():.4f}  a {a.item():.4f}  b {b.item():.4f}")

with torch.no_grad():
    value = mse(a * x_val + b, y_val).item()
print("RESULT", json.dumps({"metric": "val_mse", "value": value}))
