import json
import sys

import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def augment(X, y, copies, rng):
    """Each row a few more times, with a little noise."""
    Xs = [X] + [X + 0.01 * rng.normal(size=X.shape) for _ in range(copies)]
    return np.concatenate(Xs), np.tile(y, copies + 1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)
X, y = make_classification(900, 20, n_informative=6, n_classes=3, flip_y=0.3, class_sep=0.8, random_state=seed)
X, y, X_new, y_new = X[:300], y[:300], X[300:], y[300:]

X, y = augment(X, y, 4, rng)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=seed)

to_tensor = lambda a: torch.tensor(a, dtype=torch.float32)
train_loader = DataLoader(TensorDataset(to_tensor(X_train), torch.tensor(y_train)), batch_size=32, shuffle=True)
val_loader = DataLoader(TensorDataset(to_tensor(X_val), torch.tensor(y_val)), batch_size=64)
new_loader = DataLoader(TensorDataset(to_tensor(X_new), torch.tensor(y_new)), batch_size=64)

model = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 3))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def accuracy(loader):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for xb, yb in loader:
            right += (model(xb).argmax(1) == yb).sum().item()
            total += len(yb)
    return right / total


for epoch in range(40):
    model.train()
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {loss.item():.3f} val acc {accuracy(val_loader):.3f}")

val_acc, new_acc = accuracy(val_loader), accuracy(new_loader)
print(f"validation {val_acc:.3f}, new data {new_acc:.3f}")
print("RESULT", json.dumps({"metric": "optimism", "value": abs(val_acc - new_acc)}))
