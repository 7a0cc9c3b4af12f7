import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)

X, y = make_classification(n_samples=600, n_features=40, n_informative=10, random_state=SEED)
X = X.reshape(-1, 4, 10).astype("float32")
y = y.astype("float32").reshape(-1, 1)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, random_state=SEED)
train_loader = DataLoader(
    TensorDataset(torch.from_numpy(X_train), torch.from_numpy(y_train)), batch_size=64, shuffle=True
)
X_val, y_val = torch.from_numpy(X_val), torch.from_numpy(y_val)

model = nn.Sequential(
    nn.Conv1d(4, 16, 4, padding=2),
    nn.BatchNorm1d(16),
    nn.LeakyReLU(),
    nn.Dropout(0.2),
    nn.Conv1d(16, 8, 4, padding=2),
    nn.BatchNorm1d(8),
    nn.LeakyReLU(),
    nn.Dropout(0.2),
    nn.Flatten(),
    nn.Linear(96, 64),
    nn.BatchNorm1d(64),
    nn.LeakyReLU(),
    nn.Linear(64, 1),
    nn.Sigmoid(),
)
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def accuracy(probs, target):
    return ((probs > 0.5).float() == target).float().mean().item()


for epoch in range(30):
    model.train()
    running = 0.0
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(xb)
    model.eval()
    with torch.no_grad():
        out = model(X_val)
        val_loss = criterion(out, y_val).item()
        val_acc = accuracy(out, y_val)
    print(f"epoch {epoch:2d}  loss {running / len(X_train):.4f}  val_loss {val_loss:.4f}  val_acc {val_acc:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": val_acc}))
