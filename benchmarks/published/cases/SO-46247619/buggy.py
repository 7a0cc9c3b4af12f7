import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_regression

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = make_regression(1000, 24, n_informative=12, random_state=seed)
X = torch.tensor(X, dtype=torch.float32).unsqueeze(1)  # (N, channels, length)
y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
X_train, y_train, X_test, y_test = X[:800], y[:800], X[800:], y[800:]


class ConvRegressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, 12, 3), nn.ReLU(),
            nn.Conv1d(12, 16, 3), nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 20, 128), nn.ReLU(),
            nn.Linear(128, 32), nn.ReLU(),
        )
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        return torch.relu(self.out(self.body(x)))


model = ConvRegressor()
for m in model.modules():
    if isinstance(m, (nn.Conv1d, nn.Linear)):
        nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
for epoch in range(30):
    losses = []
    for rows in torch.randperm(800).split(32):
        loss = nn.functional.mse_loss(model(X_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 5 == 0:
        print(epoch, np.mean(losses))

with torch.no_grad():
    value = (nn.functional.mse_loss(model(X_test), y_test) / y_test.var(unbiased=False)).item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
