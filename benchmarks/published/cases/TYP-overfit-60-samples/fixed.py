import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 12


def build(dropout):
    return nn.Sequential(
        nn.Linear(30, 256), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(256, 256), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(256, 2),
    )


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = make_classification(460, 30, n_informative=4, flip_y=0.15, random_state=seed)
X, y = torch.tensor(X).float(), torch.tensor(y)
train_loader = DataLoader(TensorDataset(X[:60], y[:60]), batch_size=10, shuffle=True)
valid_loader = DataLoader(TensorDataset(X[60:], y[60:]), batch_size=100)

model = build(0.5)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-2)
train_losses, valid_losses = [], []
for epoch in range(EPOCHS):
    model.train()
    train_loss = 0.0
    for data, label in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(data), label)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * data.size(0)
    model.eval()
    valid_loss, hits = 0.0, 0
    with torch.no_grad():
        for data, label in valid_loader:
            output = model(data)
            valid_loss += criterion(output, label).item() * data.size(0)
            hits += (output.argmax(1) == label).sum().item()
    train_losses.append(train_loss / 60)
    valid_losses.append(valid_loss / 400)
    if epoch % 10 == 0:
        print(f"epoch {epoch}: train {train_losses[-1]:.3f} valid {valid_losses[-1]:.3f} acc {hits / 400:.3f}")
print("RESULT", json.dumps({"metric": "val_loss", "value": valid_losses[-1]}))
