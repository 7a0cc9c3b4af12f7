import json
import sys

import numpy as np
import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def waves(n, T=30):
    """sine, square and saw tooth with random frequency and phase"""
    t = torch.linspace(0, 1, T)
    f = 2 + 3 * torch.rand(n, 1)
    ph = torch.rand(n, 1)
    u = f * t + ph
    kind = torch.randint(0, 3, (n,))
    forms = torch.stack([torch.sin(2 * np.pi * u), torch.sign(torch.sin(2 * np.pi * u)), 2 * (u % 1) - 1])
    x = forms[kind, torch.arange(n)] + 0.2 * torch.randn(n, T)
    return x.unsqueeze(-1), kind


class Classifier(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, 3)

    def forward(self, x):
        out, _ = self.gru(x)
        return self.head(out.mean(1))


x_train, y_train = waves(800)
x_test, y_test = waves(300)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
lossfn = nn.CrossEntropyLoss()
for epoch in range(8):
    perm = torch.randperm(len(x_train))
    total = 0.0
    for i in range(0, len(perm), 20):
        idx = perm[i:i + 20]
        optimizer.zero_grad
        loss = lossfn(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(epoch, total / 40)
with torch.no_grad():
    acc = (model(x_test).argmax(-1) == y_test).float().mean().item()
print("test accuracy", acc)
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
