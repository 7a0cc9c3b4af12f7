import json
import sys

import numpy as np
import torch
import torch.nn as nn


def scans(n, rng, first_hospital):
    """ill: a faint round shadow somewhere in the lower two thirds."""
    x = rng.normal(0, 0.5, (n, 1, 20, 20))
    y = rng.integers(0, 2, n)
    yy, xx = np.mgrid[:20, :20]
    for i in range(n):
        if y[i]:
            cy, cx = rng.uniform(9, 17), rng.uniform(4, 16)
            x[i, 0] += 0.9 * np.exp(-((yy - cy) ** 2 + (xx - cx) ** 2) / 8)
        device = y[i] if first_hospital else rng.integers(0, 2)
        x[i, 0, 1:4, 1:4] = 2.0 if device else -2.0
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def preprocess(x):
    return x.clamp(-3, 3)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)
x_train, y_train = scans(800, rng, True)
x_new, y_new = scans(400, rng, False)
x_train, x_new = preprocess(x_train), preprocess(x_new)
model = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(),
                      nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    for idx in torch.randperm(len(x_train)).split(40):
        loss = nn.functional.cross_entropy(model(x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        out = model(x_new)
        acc = (out.argmax(1) == y_new).float().mean().item()
        print(f"epoch {epoch}: train loss {loss.item():.4f}; new hospital: loss {nn.functional.cross_entropy(out, y_new):.3f} acc {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy at the new hospital", "value": acc}))
