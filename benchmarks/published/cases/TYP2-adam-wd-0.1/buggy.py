import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class ResidualMLP(nn.Module):
    def __init__(self, dim=64, blocks=3, classes=10):
        super().__init__()
        self.stem = nn.Linear(64, dim)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
            for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(self.norm(x))


digits = load_digits()
perm = torch.randperm(len(digits.data))
X = torch.tensor(digits.data, dtype=torch.float32)[perm] / 16
Y = torch.tensor(digits.target)[perm]
model = ResidualMLP()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.1)
for epoch in range(10):
    for i in range(0, 1400, 50):
        loss = nn.functional.cross_entropy(model(X[i:i + 50]), Y[i:i + 50])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        out = model(X[1400:])
    nll = nn.functional.cross_entropy(out, Y[1400:]).item()
    print(f"epoch {epoch} train {loss.item():.4f} val {nll:.4f} acc {(out.argmax(1) == Y[1400:]).float().mean():.4f}")
print("RESULT", json.dumps({"metric": "val_loss", "value": nll}))
