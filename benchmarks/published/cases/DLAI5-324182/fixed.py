import json
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

x = np.linspace(-1.0, 5.0, 56).reshape(-1, 1).astype(np.float32)
y = 2 * x - 1
x_new = np.random.uniform(-1.0, 5.0, (100, 1)).astype(np.float32)
y_new = 2 * x_new - 1
x, y, x_new, y_new = map(torch.from_numpy, (x, y, x_new, y_new))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense_1 = nn.Linear(1, 4)
        self.dense_2 = nn.Linear(4, 2)
        self.dense_3 = nn.Linear(2, 1)
        for layer in (self.dense_1, self.dense_2, self.dense_3):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = nn.functional.leaky_relu(self.dense_1(x), 0.3)
        x = nn.functional.leaky_relu(self.dense_2(x), 0.3)
        return self.dense_3(x)


model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
loss_fn = nn.MSELoss()
for epoch in range(300):
    order = torch.randperm(len(x))
    total = 0.0
    for idx in order.split(8):
        optimizer.zero_grad()
        loss = loss_fn(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    if (epoch + 1) % 30 == 0:
        print(f"Epoch {epoch + 1}/300 - loss: {total / len(x):.4f}")

with torch.no_grad():
    value = loss_fn(model(x_new), y_new).item()
    print(model(torch.tensor([[3.3]])))
print("RESULT", json.dumps({"metric": "mse", "value": value}))
