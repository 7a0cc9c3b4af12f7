"""Handwritten digits with a configurable MLP."""
import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)


class ConfigurableMLP(nn.Module):
    def __init__(self, sizes, n_classes, dropout=0.1):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])
        self.act = nn.ReLU()
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(sizes[-1], n_classes)

    def forward(self, x):
        for layer in self.layers:
            x = self.drop(self.act(layer(x)))
        return self.head(x)


def accuracy(model, loader):
    model.eval()
    good = total = 0
    with torch.no_grad():
        for x, y in loader:
            good += (model(x).argmax(1) == y).sum().item()
            total += len(y)
    return good / total


digits = load_digits()
xtr, xte, ytr, yte = train_test_split(digits.data / 16.0, digits.target, test_size=0.3,
                                      random_state=seed, stratify=digits.target)
tensor = lambda a, t: torch.tensor(a, dtype=t)
train_loader = DataLoader(TensorDataset(tensor(xtr, torch.float32), tensor(ytr, torch.long)), batch_size=32, shuffle=True)
test_loader = DataLoader(TensorDataset(tensor(xte, torch.float32), tensor(yte, torch.long)), batch_size=256)

model = ConfigurableMLP([64, 64, 64, 64, 64], 10)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(50):
    model.train()
    running = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(y)
    if epoch % 7 == 0:
        print(f"epoch {epoch:2d}  loss {running / len(ytr):.4f}  test acc {accuracy(model, test_loader):.4f}")

acc = accuracy(model, test_loader)
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4)}))
