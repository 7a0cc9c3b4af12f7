# Mixture density network for an inverse problem (Bishop 1994): y is many-valued in x
import json
import math
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def make_data(n):
    y = torch.rand(n, 1) * 20 - 10                      # the cause
    x = torch.sin(0.75 * y) * 7.0 + y * 0.5 + torch.randn(n, 1)   # the reading
    return x / 7.0, y / 10.0                            # about unit scale


x_train, y_train = make_data(2500)
x_test, y_test = make_data(1000)

ONEOVERSQRT2PI = 1.0 / math.sqrt(2 * math.pi)


class MDN(nn.Module):
    def __init__(self, n_hidden, n_gaussians):
        super().__init__()
        self.z_h = nn.Sequential(nn.Linear(1, n_hidden), nn.Tanh(), nn.Linear(n_hidden, n_hidden), nn.Tanh())
        self.z_pi = nn.Linear(n_hidden, n_gaussians)
        self.z_sigma = nn.Linear(n_hidden, n_gaussians)
        self.z_mu = nn.Linear(n_hidden, n_gaussians)

    def forward(self, x):
        z_h = self.z_h(x)
        log_pi = torch.log_softmax(self.z_pi(z_h), -1)
        log_sigma = self.z_sigma(z_h).clamp(min=-6)
        mu = self.z_mu(z_h)
        return log_pi, log_sigma, mu


def mdn_loss_fn(log_pi, log_sigma, mu, y):
    log_density = math.log(ONEOVERSQRT2PI) - log_sigma - 0.5 * ((y - mu) / log_sigma.exp()) ** 2
    return -torch.logsumexp(log_pi + log_density, dim=1).mean()


network = MDN(n_hidden=32, n_gaussians=6)
optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2000)
for epoch in range(2000):  # the whole set at once
    loss = mdn_loss_fn(*network(x_train), y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if epoch % 200 == 0:
        with torch.no_grad():
            print(f"{epoch:5d}  nll {loss.item():.3f}  test nll {mdn_loss_fn(*network(x_test), y_test).item():.3f}")

network.eval()
with torch.no_grad():
    log_pi, log_sigma, mu = network(x_test)
    test_nll = mdn_loss_fn(log_pi, log_sigma, mu, y_test).item()
    k = torch.multinomial(log_pi.exp(), 1)
    drawn = mu.gather(1, k) + log_sigma.gather(1, k).exp() * torch.randn_like(mu.gather(1, k))
    # going forward again from a drawn cause must give the reading back
    back = (torch.sin(7.5 * drawn) * 7.0 + 10 * drawn * 0.5) / 7.0
    consistency = (back - x_test).abs().median().item()
single = 0.5 * math.log(2 * math.pi * math.e * y_train.var().item())
print(f"test nll {test_nll:.3f}; one Gaussian for all: {single:.3f}; median re-projection error {consistency:.3f}")
print("RESULT", json.dumps({"metric": "test nll", "value": round(test_nll, 4), "good": test_nll <= -0.2 and consistency <= 0.25}))
