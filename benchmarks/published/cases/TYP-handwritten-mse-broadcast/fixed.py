import json
import sys

import torch
from sklearn.datasets import load_diabetes
from torch import nn


class Regressor(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.a = nn.Linear(d, 32)
        self.b = nn.Linear(32, 1)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


def rmse_loss(y_hat, y):
    return torch.sqrt(((y_hat - y) ** 2).mean() + 1e-8)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = load_diabetes(return_X_y=True)
X = torch.tensor(X / X.std(0), dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
perm = torch.randperm(len(X))
train, test = perm[:350], perm[350:]
model = Regressor(X.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(60):
    for i in torch.split(train[torch.randperm(350)], 35):
        y_hat = model(X[i])
        loss = rmse_loss(y_hat.squeeze(1), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(epoch, loss.item())
with torch.no_grad():
    mse = ((model(X[test])[:, 0] - y[test]) ** 2).mean().item()
print("RESULT", json.dumps({"metric": "mse", "value": mse}))
