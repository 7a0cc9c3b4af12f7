import json
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


def target(x):
    return torch.sin(2.0 * x) + 0.3 * x


def sample(domain, n):
    lo, hi = domain
    x = torch.rand(n, 1) * (hi - lo) + lo
    return x, target(x) + 0.02 * torch.randn(n, 1)


DOMAIN_A = (-3.5, -0.5)
DOMAIN_B = (0.5, 3.5)

net = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()

xa, ya = sample(DOMAIN_A, 1000)
xb, yb = sample(DOMAIN_B, 1000)
xa_test, ya_test = sample(DOMAIN_A, 500)
xb_test, yb_test = sample(DOMAIN_B, 500)


def mse(x, y):
    with torch.no_grad():
        return loss_fn(net(x), y).item()


def fit(x, y, epochs, name):
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(50):
            opt.zero_grad()
            loss = loss_fn(net(x[idx]), y[idx])
            loss.backward()
            opt.step()
        if (epoch + 1) % 20 == 0:
            print(f"[{name}] epoch {epoch + 1:3d}  train {loss.item():.5f}  "
                  f"A {mse(xa_test, ya_test):.5f}  B {mse(xb_test, yb_test):.5f}")


fit(torch.cat([xa, xb]), torch.cat([ya, yb]), 120, "both skills")

x_test, y_test = torch.cat([xa_test, xb_test]), torch.cat([ya_test, yb_test])
print("RESULT " + json.dumps({"metric": "test_mse_both_domains", "value": round(mse(x_test, y_test), 6)}))
