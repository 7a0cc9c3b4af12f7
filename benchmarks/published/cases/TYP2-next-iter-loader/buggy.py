import json
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = load_digits(return_X_y=True)
p = torch.randperm(len(X))
X, y = torch.tensor(X, dtype=torch.float)[p] / 16, torch.tensor(y)[p]
train_loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=32)
test_loader = DataLoader(TensorDataset(X[1400:], y[1400:]), batch_size=200)


def cycle(loader):
    while True:
        yield next(iter(loader))


model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
batches = cycle(train_loader)
for it in range(1, 801):
    xb, yb = next(batches)
    loss = nn.functional.cross_entropy(model(xb), yb)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    if it % 100 == 0:
        model.eval()
        with torch.no_grad():
            outs = [(model(a), b) for a, b in test_loader]
            test_loss = sum(nn.functional.cross_entropy(o, b, reduction="sum").item() for o, b in outs) / (len(X) - 1400)
            acc = sum((o.argmax(1) == b).sum().item() for o, b in outs) / (len(X) - 1400)
        model.train()
        print(f"iter {it}: train {loss.item():.4f}, test {test_loss:.4f}, acc {acc:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
