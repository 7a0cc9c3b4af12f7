import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

x = np.random.uniform(-3, 3, size=(1200, 1)).astype(np.float32)
noise = 0.05 + 0.15 * np.abs(x[:, 0])
y = (np.sin(2 * x[:, 0]) + 0.3 * x[:, 0] + noise * np.random.randn(1200)).astype(np.float32)
x, y = torch.from_numpy(x), torch.from_numpy(y)
x_val, y_val = x[1000:], y[1000:]
x, y = x[:1000], y[:1000]


class MeanVariance(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 50), nn.Tanh(), nn.Linear(50, 50), nn.Tanh())
        self.mean = nn.Linear(50, 1)
        self.logvar = nn.Linear(50, 1)

    def forward(self, x):
        h = self.body(x)
        return self.mean(h), self.logvar(h)


def gaussian_nll(mean, logvar, target):
    return (0.5 * logvar + 0.5 * (target - mean) ** 2 / logvar.exp()).mean()


model = MeanVariance()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(40):
    for i in torch.randperm(1000).split(50):
        mean, logvar = model(x[i])
        loss = gaussian_nll(mean, logvar, y[i].unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 10 == 0:
        print(f"epoch {epoch + 1} nll {loss.item():.4f}")
with torch.no_grad():
    mean, _ = model(x_val)
value = ((mean[:, 0] - y_val) ** 2).mean().item() / y_val.var().item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
