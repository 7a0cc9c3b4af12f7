import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def xor_points(n):
    bits = np.random.randint(0, 2, (n, 2))
    x = bits + 0.15 * np.random.randn(n, 2)
    y = np.logical_xor(bits[:, 0], bits[:, 1])
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).view(-1, 1)


X, Y = xor_points(400)
X_test, Y_test = xor_points(400)

input_dim, hidden_dim, output_dim = 2, 8, 1
model = nn.Sequential(
    nn.Linear(input_dim, hidden_dim),
    nn.ReLU(),
    nn.Linear(hidden_dim, output_dim),
    nn.Sigmoid(),
)
criterion = nn.BCELoss()
optimizer = optim.SGD(model.parameters(), lr=0.1)
num_epochs = 200
batch = 16

for epoch in range(num_epochs):
    perm = torch.randperm(len(X))
    running = 0.0
    for i in range(0, len(X), batch):
        idx = perm[i:i + batch]
        optimizer.zero_grad()
        loss = criterion(model(X[idx]), Y[idx])
        loss.backward()
        optimizer.step()
        running += loss.item() * len(idx)
    if epoch % 20 == 0:
        print("epoch %d loss %.4f" % (epoch, running / len(X)))

with torch.no_grad():
    acc = (model(X_test).round() == Y_test).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
