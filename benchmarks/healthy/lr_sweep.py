"""A sweep over width and weight decay in one script: six short trainings, the best is trained longer."""

import itertools
import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split


def train(width, decay, epochs, data):
    x, y, x_val, y_val = data
    model = nn.Sequential(nn.Linear(13, width), nn.ReLU(), nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=decay)
    for _ in range(epochs):
        model.train()
        for i in torch.randperm(len(x)).split(16):
            loss = nn.functional.cross_entropy(model(x[i]), y[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(x_val)
    return nn.functional.cross_entropy(out, y_val).item(), (out.argmax(1) == y_val).float().mean().item()


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, Y = load_wine(return_X_y=True)
a, b, c, d = train_test_split(X, Y, test_size=0.3, stratify=Y, random_state=seed)
mean, std = a.mean(0), a.std(0)
data = (torch.tensor((a - mean) / std).float(), torch.tensor(c), torch.tensor((b - mean) / std).float(), torch.tensor(d))
results = {}
for width, decay in itertools.product([8, 32, 64], [0.01, 0.1]):
    results[width, decay] = train(width, decay, 15, data)
    print(f"width {width} decay {decay}: val loss {results[width, decay][0]:.4f} acc {results[width, decay][1]:.4f}")
best = min(results, key=lambda k: results[k][0])
loss, acc = train(*best, 25, data)
print("best", best, "retrained:", loss, acc)
print("RESULT", json.dumps({"metric": "val_acc", "value": round(acc, 4), "good": acc >= 0.94}))
