import json
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

# two measurements, yes/no answer, a few noisy labels
N = 800
X = rng.uniform(-2, 2, size=(N, 2))
Y = (X[:, 0] + X[:, 1] + rng.normal(0, 0.3, size=N) > 0).astype("float32")
X = torch.tensor(X, dtype=torch.float32)
Y = torch.tensor(Y).view(-1, 1)
X_train, Y_train = X[:400], Y[:400]
X_test, Y_test = X[400:], Y[400:]

net = nn.Sequential(
    nn.Linear(2, 2), nn.ReLU(),
    nn.Linear(2, 2), nn.ReLU(),
    nn.Linear(2, 1), nn.Sigmoid(),
)

loss_fn = nn.BCELoss()
adam = torch.optim.Adam(net.parameters(), lr=0.001)
batch_size = 2

for epoch in range(20):
    perm = torch.randperm(len(X_train))
    losses = []
    for k in range(0, len(X_train), batch_size):
        rows = perm[k:k + batch_size]
        adam.zero_grad()
        loss = loss_fn(net(X_train[rows]), Y_train[rows])
        loss.backward()
        adam.step()
        losses.append(loss.item())
    print("epoch", epoch + 1, "loss", sum(losses) / len(losses))

with torch.no_grad():
    accuracy = ((net(X_test) >= 0.5).float() == Y_test).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy", "value": round(accuracy, 4)}))
