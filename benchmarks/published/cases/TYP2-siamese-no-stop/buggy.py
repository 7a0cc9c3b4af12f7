import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
perm = torch.randperm(len(d.target))
x = torch.tensor(d.data, dtype=torch.float32)[perm] / 16
y = torch.tensor(d.target)[perm]


def view(x):
    return x * (torch.rand_like(x) > 0.25) + 0.1 * torch.randn_like(x)


class Siamese(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, dim))

    def forward(self, a, b):
        za, zb = self.encoder(a), self.encoder(b)
        return F.mse_loss(za, zb)


model = Siamese()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(20):
    total = 0.0
    for idx in torch.randperm(1400).split(100):
        loss = model(view(x[idx]), view(x[idx]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch}: loss {total / 14:.6f}")

model.eval()
with torch.no_grad():
    z = model.encoder(x)
z = z.numpy().round(3)
probe = LogisticRegression(max_iter=200).fit(z[:1400], y[:1400])
acc = probe.score(z[1400:], y[1400:])
print("linear probe", acc)
print("RESULT", json.dumps({"metric": "linear probe accuracy", "value": float(acc)}))
