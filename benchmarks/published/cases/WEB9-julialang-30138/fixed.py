import json
import random
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)


def square(v):
    return v * v


train = [random.uniform(-10, 10) for _ in range(800)]
test = [random.uniform(-10, 10) for _ in range(200)]
X = torch.tensor(train).unsqueeze(1) / 10
Y = torch.tensor([square(v) for v in train]).unsqueeze(1) / 100
Xt = torch.tensor(test).unsqueeze(1) / 10
Yt = torch.tensor([square(v) for v in test]).unsqueeze(1) / 100

model = nn.Sequential(
    nn.Linear(1, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 1),
)
loss = nn.MSELoss()
opt = torch.optim.Adam(model.parameters(), lr=0.003)

for epoch in range(1, 101):
    perm = torch.randperm(len(X))
    for k in range(0, len(X), 16):
        sel = perm[k:k + 16]
        opt.zero_grad()
        l = loss(model(X[sel]), Y[sel])
        l.backward()
        opt.step()
    if epoch % 10 == 0:
        with torch.no_grad():
            print(f"epoch {epoch} train {loss(model(X), Y).item():.5f} test {loss(model(Xt), Yt).item():.5f}")

with torch.no_grad():
    final = loss(model(Xt), Yt).item()
    for v in (2.0, 5.0, 8.0):
        print(v, "squared:", round(100 * model(torch.tensor([[v / 10]])).item(), 2))
print("RESULT", json.dumps({"metric": "test_mse", "value": float(final)}))
