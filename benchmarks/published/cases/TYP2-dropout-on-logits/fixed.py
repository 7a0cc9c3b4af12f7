import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_friedman2

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = make_friedman2(1500, noise=20, random_state=seed)
X = (X - X.mean(0)) / X.std(0)
y = y / y.std()
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).reshape(-1, 1)

layers = []
sizes = [4, 64, 64, 1]
for n_in, n_out in zip(sizes[:-1], sizes[1:]):
    layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(0.4)]
model = nn.Sequential(*layers[:-2])
print(model)
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(30):
    model.train()
    for i in torch.randperm(1200).split(40):
        loss = ((model(X[i]) - y[i]) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        test = ((model(X[1200:]) - y[1200:]) ** 2).mean().item()
    if epoch % 5 == 4:
        print(epoch + 1, loss.item(), test)
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": test / y[1200:].var().item()}))
