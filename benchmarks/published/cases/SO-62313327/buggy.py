# sanity check: can the network learn to copy its first input?
import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

X = rng.uniform(-1, 1, size=(2000, 30)).astype("float32")
y = X[:, 0:1].copy()
X, y = torch.from_numpy(X), torch.from_numpy(y)
X_train, y_train = X[:1600], y[:1600]
X_test, y_test = X[1600:], y[1600:]

model = nn.Sequential(nn.Linear(30, 1), nn.ReLU(), nn.Linear(1, 1), nn.Sigmoid())
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

for epoch in range(30):
    perm = torch.randperm(1600)
    epoch_loss = 0.0
    for i in range(50):
        idx = perm[32 * i:32 * (i + 1)]
        pred = model(X_train[idx])
        loss = loss_fn(pred, y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() / 50
    if epoch % 5 == 4:
        print("epoch", epoch + 1, "mse", epoch_loss)

with torch.no_grad():
    mse = loss_fn(model(X_test), y_test).item()
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(mse / y_test.var(unbiased=False).item(), 6)}))
