import json
import sys

import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

X, y = make_classification(n_samples=6000, n_features=20, n_informative=10, n_redundant=4, n_classes=4,
                           weights=[0.53, 0.2, 0.15, 0.12], class_sep=1.6, random_state=seed)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)
scaler = StandardScaler().fit(X_train)
tensor = lambda a: torch.tensor(a, dtype=torch.float32)
train_ds = TensorDataset(tensor(scaler.transform(X_train)), torch.tensor(y_train))
val_x, val_y = tensor(scaler.transform(X_val)), torch.tensor(y_val)

model = nn.Sequential(
    nn.Linear(20, 64),
    nn.ReLU(),
    nn.Linear(64, 20),
    nn.ReLU(),
    nn.Linear(20, 4),
)
criterion = nn.CrossEntropyLoss()
sgd = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(1, 13):
    model.train()
    loss_sum, hits = 0.0, 0
    for xb, yb in DataLoader(train_ds, batch_size=64, shuffle=True):
        out = model(xb)
        loss = criterion(out, yb)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        loss_sum += loss.item() * len(xb)
        hits += (out.argmax(1) == yb).sum().item()
    model.eval()
    with torch.no_grad():
        out = model(val_x)
        val_loss, val_acc = criterion(out, val_y).item(), (out.argmax(1) == val_y).float().mean().item()
    print(f"Epoch {epoch}/12 - loss: {loss_sum / len(train_ds):.4f} - acc: {hits / len(train_ds):.4f} - val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": val_acc}))
