import json
import math
import sys

import torch
from torch import nn


class FourierLayer(nn.Module):
    """y = W [sin(Fx), cos(Fx)], frequencies are learned"""

    def __init__(self, n_in, n_freq):
        super().__init__()
        self.freq = torch.randn(n_in, n_freq, requires_grad=True)
        self.phase = torch.zeros(n_freq, requires_grad=True)

    def forward(self, x):
        return torch.sin(x @ self.freq + self.phase)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = FourierLayer(2, 48)
        self.out = nn.Linear(48, 1)

    def forward(self, x):
        return self.out(self.f(x))


def target(x):
    return (torch.sin(5 * x[:, :1]) * torch.cos(4 * x[:, 1:]) + 0.3 * torch.sin(7 * x[:, 1:])).detach()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.rand(1500, 2) * 2 - 1
y = target(x)
x_test = torch.rand(500, 2) * 2 - 1
y_test = target(x_test)
model = Net()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(1, 1201):
    i = torch.randint(0, 1500, (64,))
    loss = ((model(x[i]) - y[i]) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 200 == 0:
        print(step, loss.item())
with torch.no_grad():
    value = ((model(x_test) - y_test) ** 2).mean().item() / y_test.var().item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
