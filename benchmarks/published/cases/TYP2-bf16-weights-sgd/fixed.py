import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
x = torch.tensor(d.data, dtype=torch.float32) / 16
y = torch.tensor(d.target)
perm = torch.randperm(len(y))
x, y = x[perm], y[perm]


def build():
    return nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))


model = build()
dtype = next(model.parameters()).dtype
optimizer = torch.optim.SGD(model.parameters(), lr=2e-3, momentum=0.0)
for epoch in range(25):
    for b in torch.randperm(1400).split(8):
        optimizer.zero_grad()
        logits = model(x[b].to(dtype))
        loss = nn.functional.cross_entropy(logits.float(), y[b])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            out = model(x[1400:].to(dtype)).float()
        val = nn.functional.cross_entropy(out, y[1400:]).item()
        print(f"epoch {epoch + 1}: train {loss.item():.3f} val {val:.3f} acc {(out.argmax(1) == y[1400:]).float().mean():.3f}")
print("RESULT", json.dumps({"metric": "val_loss", "value": val}))
