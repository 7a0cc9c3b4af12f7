import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)


def annotate(truth, slip):
    """the labels that one annotator gives"""
    guess = rng.integers(0, 10, len(truth))
    return np.where(rng.random(len(truth)) < slip, guess, truth)


digits = load_digits()
perm = rng.permutation(len(digits.target))
X, y = digits.data[perm] / 16, digits.target[perm]
votes = np.stack([annotate(y, 0.5), annotate(y, 0.04), annotate(y, 0.04)])
label = votes[0]
majority = np.array([np.bincount(v, minlength=10).argmax() for v in votes.T])

x_train, y_train = torch.tensor(X[:1300], dtype=torch.float32), torch.tensor(label[:1300])
x_test, y_test = torch.tensor(X[1300:], dtype=torch.float32), torch.tensor(y[1300:])
net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(40):
    for idx in torch.randperm(1300).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            out = net(x_test)
            acc = (out.argmax(1) == y_test).float().mean().item()
            print(f"{epoch + 1}: train {loss.item():.3f} test {nn.functional.cross_entropy(out, y_test):.3f} acc {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
