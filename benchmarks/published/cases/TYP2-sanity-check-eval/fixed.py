import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits


def block(i, o):
    return nn.Sequential(nn.Linear(i, o, bias=False), nn.BatchNorm1d(o), nn.ReLU())


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        out = model(x)
    return nn.functional.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item()


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32) / 16 - 0.5
y = torch.tensor(digits.target)
perm = torch.randperm(len(x))
train, val = perm[:1400], perm[1400:]

model = nn.Sequential(block(64, 64), *[block(64, 64) for _ in range(10)], nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
print("before training: loss %.3f acc %.3f" % evaluate(model, x[val], y[val]))
for epoch in range(12):
    model.train()
    for idx in train[torch.randperm(len(train))].split(64):
        loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    val_loss, val_acc = evaluate(model, x[val], y[val])
    print("epoch %d: train %.3f val %.3f acc %.3f" % (epoch, loss.item(), val_loss, val_acc))
print("RESULT", json.dumps({"metric": "accuracy", "value": val_acc}))
