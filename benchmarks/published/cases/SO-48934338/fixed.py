# Fit a noisy parabola with a small fully connected network
import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
LEARNING_RATE = 0.0001
EPOCHS = 1000
BATCH = 32


def curve(x, rng):
    return 5 * x ** 2 + rng.standard_normal(len(x)) ** 3


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(1, 50)
        self.l2 = nn.Linear(50, 30)
        self.l3 = nn.Linear(30, 1)
        nn.init.xavier_uniform_(self.l1.weight)
        nn.init.uniform_(self.l2.weight, -0.05, 0.05)
        nn.init.xavier_uniform_(self.l3.weight)
        for l in (self.l1, self.l2, self.l3):
            nn.init.zeros_(l.bias)

    def forward(self, x):
        return self.l3(F.relu(self.l2(F.relu(self.l1(x)))))


def to_column(a):
    return torch.tensor(a, dtype=torch.float32)[:, None]


rng = np.random.default_rng(SEED)
torch.manual_seed(SEED)

x = np.arange(0, 5, 0.1)
x_new = np.arange(0.05, 4.9, 0.1)
X, Y = to_column(x), to_column(curve(x, rng))
X_new, Y_new = to_column(x_new), to_column(curve(x_new, rng))

model = Regressor()
sgd = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

for epoch in range(EPOCHS):
    order = torch.randperm(len(X))
    for batch in order.split(BATCH):
        loss = F.mse_loss(model(X[batch]), Y[batch])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    if epoch % 100 == 0:
        print(f"epoch {epoch:4d}  loss {loss.item():.3f}")

with torch.no_grad():
    value = (F.mse_loss(model(X_new), Y_new) / Y_new.var(unbiased=False)).item()
value = round(value, 6) if math.isfinite(value) else None
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": value}))
