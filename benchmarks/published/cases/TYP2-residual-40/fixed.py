import json
import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a = nn.Linear(width, width)
        self.b = nn.Linear(width, width)
        for layer in (self.a, self.b):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.b.weight)

    def forward(self, x):
        return x + self.b(torch.relu(self.a(x)))


class ResNet(nn.Module):
    def __init__(self, depth=40, width=32):
        super().__init__()
        self.inp = nn.Linear(5, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(self.blocks(self.inp(x))).squeeze(-1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = make_friedman1(1100, n_features=5, noise=0.2, random_state=seed)
X = torch.tensor((X - 0.5) * 3.5, dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
net = ResNet()
opt = torch.optim.Adam(net.parameters(), lr=5e-4)
for step in range(200):
    i = torch.randint(0, 800, (64,))
    loss = nn.functional.mse_loss(net(X[i]), y[i])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 20 == 0:
        print("step", step, "loss", loss.item())
with torch.no_grad():
    value = nn.functional.mse_loss(net(X[800:]), y[800:]).item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
