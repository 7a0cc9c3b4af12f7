import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)


def f(x):
    return x ** 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1 = nn.Linear(1, 50)
        self.d2 = nn.Linear(50, 50)
        self.d3 = nn.Linear(50, 1)

    def forward(self, x):
        x = torch.sigmoid(self.d1(x))
        x = nn.functional.elu(self.d2(x))
        return self.d3(x)


x_train = np.random.uniform(-100, 100, size=(4000, 1)).astype(np.float32)
y_train = f(x_train).astype(np.float32)
x_test = np.linspace(-100, 100, 1001).reshape(-1, 1).astype(np.float32)
y_test = f(x_test).astype(np.float32)

loader = DataLoader(TensorDataset(torch.from_numpy(x_train), torch.from_numpy(y_train)),
                    batch_size=32, shuffle=True)

model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
mse = nn.MSELoss()

for epoch in range(28):
    running = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = mse(model(xb), yb)
        loss.backward()
        optimizer.step()
        running += loss.item()
    if epoch % 5 == 4:
        print("Epoch", epoch + 1, "loss:", running / len(loader))

model.eval()
with torch.no_grad():
    pred = model(torch.from_numpy(x_test)).numpy()

for v in (-75.0, 0.0, 50.0, 97.0):
    i = int(np.abs(x_test[:, 0] - v).argmin())
    print("x=%.1f  x^4=%.1f  predicted=%.1f" % (x_test[i, 0], y_test[i, 0], pred[i, 0]))

r2 = 1 - float(((pred - y_test) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum())
print("RESULT " + json.dumps({"test_r2": r2}))
