import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Subset, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32) / 16
y = torch.tensor(digits.target)
test = torch.rand(len(y)) < 0.25
dataset = TensorDataset(x[~test], y[~test])
x_test, y_test = x[test], y[test]

first = [i for i, label in enumerate(dataset.tensors[1].tolist()) if label < 5]
second = [i for i, label in enumerate(dataset.tensors[1].tolist()) if label >= 5]
phases = [first, first + second]

model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
for phase, indices in enumerate(phases, 1):
    loader = DataLoader(Subset(dataset, indices), batch_size=32, shuffle=True)
    for epoch in range(8):
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            out = model(x_test)
            val, acc = criterion(out, y_test).item(), (out.argmax(1) == y_test).float().mean().item()
        print(f"phase {phase} epoch {epoch}: loss {loss.item():.4f}  all digits: loss {val:.4f} accuracy {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
