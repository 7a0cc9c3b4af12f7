import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32) / 16
y = torch.tensor(digits.target)
perm = torch.randperm(len(x))
x, y = x[perm], y[perm]
xtr, ytr, xte, yte = x[:1400], y[:1400], x[1400:], y[1400:]

sizes = [64, 128, 128, 128, 10]
weights = [torch.randn(a, b) for a, b in zip(sizes, sizes[1:])]
biases = [torch.zeros(b) for b in sizes[1:]]
params = [p.requires_grad_() for p in weights + biases]


def forward(h):
    for i, (w, b) in enumerate(zip(weights, biases)):
        h = h @ w + b
        if i < len(weights) - 1:
            h = torch.relu(h)
    return h


opt = torch.optim.SGD(params, lr=0.01)
for epoch in range(10):
    for i in range(0, 1400, 28):
        loss = F.cross_entropy(forward(xtr[i:i + 28]), ytr[i:i + 28])
        opt.zero_grad()
        loss.backward()
        opt.step()
    acc = (forward(xte).argmax(1) == yte).float().mean()
    print(f"{epoch} {loss.item():.3f} {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc.item()}))
