# Teach a tiny network to average two numbers
import json
import random
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)


def pairs(n):
    rows = [(random.randint(0, 100), random.randint(0, 100)) for _ in range(n)]
    xs = torch.tensor(rows, dtype=torch.float32) / 100
    ys = xs.mean(dim=1, keepdim=True)
    return xs, ys


train_x, train_y = pairs(2000)
test_x, test_y = pairs(500)

model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.001, alpha=0.9, eps=1e-7)
loss_fn = nn.MSELoss()

for epoch in range(10):
    total = 0.0
    perm = torch.randperm(len(train_x))
    for i in range(0, len(train_x), 10):
        idx = perm[i:i + 10]
        loss = loss_fn(model(train_x[idx]), train_y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * 10
    print(f"Epoch {epoch + 1}/10 - loss: {total / len(train_x):.6f}")

with torch.no_grad():
    print("average of 20 and 40:", 100 * model(torch.tensor([[0.2, 0.4]])).item())
    err = (loss_fn(model(test_x), test_y) / test_y.var(unbiased=False)).item()
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(err, 6)}))
