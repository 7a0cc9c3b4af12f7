import json
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

MAX_NORM = 1e-3
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X / 16).float(), torch.tensor(y)
train_loader = DataLoader(TensorDataset(X[:1300], y[:1300]), batch_size=32, shuffle=True)
test_loader = DataLoader(TensorDataset(X[1300:], y[1300:]), batch_size=128)
model = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 10))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

for epoch in range(12):
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimizer.step()
    correct = 0
    with torch.no_grad():
        for xb, yb in test_loader:
            _, predicted = torch.max(model(xb).data, 1)
            correct += (predicted == yb).sum().item()
    print(f"epoch {epoch + 1}, loss {loss.item():.4f}, accuracy {correct / 497:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": correct / 497}))
