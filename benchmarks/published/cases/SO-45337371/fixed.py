import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_classification(n_samples=400, n_features=5, random_state=seed)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).reshape(-1, 1)
X_train, y_train = X[:100], y[:100]
X_test, y_test = X[100:], y[100:]

model = nn.Sequential()
model.add_module("dense1", nn.Linear(5, 60))
model.add_module("act1", nn.ReLU())
model.add_module("dense2", nn.Linear(60, 50))
model.add_module("act2", nn.ReLU())
model.add_module("dense3", nn.Linear(50, 1))
model.add_module("act3", nn.Sigmoid())

for name, p in model.named_parameters():
    if name.endswith("weight"):
        nn.init.xavier_uniform_(p)
    else:
        nn.init.zeros_(p)

optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
criterion = nn.BCELoss()

for epoch in range(30):
    perm = torch.randperm(100)
    for start in range(0, 100, 32):
        idx = perm[start:start + 32]
        optimizer.zero_grad()
        loss = criterion(model(X_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    pred = (model(X_test) > 0.5).float()
acc = (pred == y_test).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy", "value": round(acc, 4)}))
