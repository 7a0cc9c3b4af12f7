import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = load_digits(return_X_y=True)
X = torch.tensor(X, dtype=torch.float32) / 16
Y = F.one_hot(torch.tensor(y), 10).float()
perm = torch.randperm(len(X))
tr, te = perm[:1300], perm[1300:]

model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
loss_fn = nn.CrossEntropyLoss()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(25):
    model.train()
    for b in tr[torch.randperm(len(tr))].split(50):
        opt.zero_grad()
        loss = loss_fn(model(X[b]), Y[b])
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        acc = (model(X[te]).argmax(1) == Y[te].argmax(1)).float().mean()
    print(f"epoch {epoch}: loss {loss:.3f} acc {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc.item()}))
