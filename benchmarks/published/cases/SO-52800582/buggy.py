import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

# y = x^4 sampled on a grid; test points are random positions in the same interval
x = np.arange(-100, 100, 0.5).reshape(-1, 1)
y = x ** 4
x_test = np.random.uniform(-100, 99.5, size=(200, 1))
y_test = x_test ** 4

inputs = torch.tensor(x, dtype=torch.float32)
targets = torch.tensor(y, dtype=torch.float32)

model = nn.Sequential(
    nn.Linear(1, 50),
    nn.Sigmoid(),
    nn.Linear(50, 50),
    nn.ELU(),
    nn.Linear(50, 1),
)
opt = torch.optim.Adam(model.parameters(), lr=0.001)
mse = nn.MSELoss()

for i in range(1000):
    opt.zero_grad()
    out = model(inputs)
    loss = mse(out, targets)
    loss.backward()
    opt.step()
    if i % 100 == 0:
        print(i, loss.item())

with torch.no_grad():
    pred = model(torch.tensor(x_test, dtype=torch.float32)).numpy()
rel = float(np.mean((pred - y_test) ** 2) / np.var(y_test))
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(rel, 6)}))
