import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_multilabel_classification
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_multilabel_classification(n_samples=1000, n_features=4, n_classes=1, random_state=seed)
X_tr, X_va, y_tr, y_va = train_test_split(X, y, test_size=0.3, random_state=seed)
X_tr, X_va = torch.tensor(X_tr).float(), torch.tensor(X_va).float()
y_tr, y_va = torch.tensor(y_tr).float(), torch.tensor(y_va).float()

sizes = [4, 10, 20, 30, 40, 50]
layers = []
for a, b in zip(sizes[:-1], sizes[1:]):
    layers += [nn.Linear(a, b), nn.ReLU()]
layers += [nn.Linear(50, 1), nn.Sigmoid()]
model = nn.Sequential(*layers)

opt = torch.optim.Adam(model.parameters(), lr=0.001)
bce = nn.BCELoss()
train_dl = DataLoader(TensorDataset(X_tr, y_tr), batch_size=10, shuffle=True)

for epoch in range(1, 21):
    model.train()
    seen, loss_sum = 0, 0.0
    for xb, yb in train_dl:
        opt.zero_grad()
        loss = bce(model(xb), yb)
        loss.backward()
        opt.step()
        loss_sum += loss.item() * len(xb)
        seen += len(xb)
    model.eval()
    with torch.no_grad():
        p = model(X_va)
        val_loss = bce(p, y_va).item()
        val_acc = ((p > 0.5).float() == y_va).float().mean().item()
    print(f"epoch {epoch}: loss {loss_sum / seen:.4f} val_loss {val_loss:.4f} val_acc {val_acc:.4f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": round(val_acc, 4)}))
