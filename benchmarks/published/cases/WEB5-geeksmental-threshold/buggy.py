import json
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

threshold = 50000
samples = 1000


def make_data(n):
    rows = []
    for _ in range(n):
        rows.append([random.randrange(0, threshold), 0])
        rows.append([random.randrange(threshold, 2 * threshold), 1])
    random.shuffle(rows)
    rows = np.array(rows, dtype=np.float32)
    return torch.tensor(rows[:, 0:1]), torch.tensor(rows[:, 1:2])


def dense(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


train_x, train_y = make_data(samples)
test_x, test_y = make_data(500)

model = nn.Sequential(
    dense(1, 8), nn.ReLU(),
    dense(8, 8), nn.ReLU(),
    dense(8, 1), nn.ReLU(),
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)


def binary_crossentropy(p, target):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def accuracy(x, y):
    with torch.no_grad():
        return ((model(x) > 0.5).float() == y).float().mean().item()


loader = DataLoader(TensorDataset(train_x, train_y), batch_size=5, shuffle=True)
for epoch in range(10):
    total = 0.0
    for xb, yb in loader:
        loss = binary_crossentropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"Epoch {epoch + 1}/10 - loss: {total / len(loader):.4f} - acc: {accuracy(train_x, train_y):.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy(test_x, test_y)}))
