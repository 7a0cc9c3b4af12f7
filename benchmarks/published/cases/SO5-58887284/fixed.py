import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

f = lambda x: 1.0 / (np.exp(10.0 * x) + 1.0)

x_train = np.linspace(-1, 1, 111)
x_test = np.random.uniform(-1, 1, 200)
y_train = f(x_train) + 0.02 * np.random.randn(111)
y_test = f(x_test)

as_column = lambda a: torch.tensor(a, dtype=torch.float32).reshape(-1, 1)
x_train, x_test, y_train, y_test = map(as_column, (x_train, x_test, y_train, y_test))

model = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid())
nn.init.xavier_uniform_(model[0].weight)
nn.init.zeros_(model[0].bias)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-7)

for epoch in range(600):
    order = torch.randperm(len(x_train))
    losses = []
    for idx in order.split(32):
        loss = nn.functional.mse_loss(model(x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 60 == 0:
        print(f"epoch {epoch}: mse {np.mean(losses):.5f}")

with torch.no_grad():
    value = nn.functional.mse_loss(model(x_test), y_test).item()
print("RESULT", json.dumps({"metric": "mse", "value": value}))
