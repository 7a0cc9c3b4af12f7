import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = make_classification(1600, 15, n_informative=5, class_sep=0.7, weights=[0.3], random_state=seed)
y = np.where(y > 0, 1, 0)
X = torch.as_tensor(X, dtype=torch.float32)
y = torch.as_tensor(y, dtype=torch.float32).view(-1, 1)

model = nn.Sequential(nn.Linear(15, 32), nn.ReLU(), nn.Linear(32, 1))
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(30):
    for i in range(0, 1200, 40):
        out = model(X[i:i + 40])
        loss = loss_fn(out, y[i:i + 40])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    predicted = model(X[1200:]) > 0
    acc = (predicted == (y[1200:] > 0)).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
