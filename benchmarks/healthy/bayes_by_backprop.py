"""Bayes by backprop with the local reparametrisation trick: regression with honest error bars."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
NOISE = 0.3


def truth(x):
    return torch.sin(2.2 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 0] - 0.4 * x[:, 1] ** 2


def draw(n):
    x = torch.rand(n, 2) * 4 - 2
    return x, truth(x) + NOISE * torch.randn(n)


class BayesLinear(nn.Module):
    """Factorised Gaussian posterior over weights and biases under a standard normal prior."""

    def __init__(self, nin, nout, prior=1.0):
        super().__init__()
        self.mu = nn.Parameter(torch.randn(nout, nin) / math.sqrt(nin))
        self.rho = nn.Parameter(torch.full((nout, nin), -4.0))
        self.bias_mu = nn.Parameter(torch.zeros(nout))
        self.bias_rho = nn.Parameter(torch.full((nout,), -4.0))
        self.prior = prior

    def forward(self, x):
        sw, sb = F.softplus(self.rho), F.softplus(self.bias_rho)
        mean = F.linear(x, self.mu, self.bias_mu)
        var = F.linear(x ** 2, sw ** 2, sb ** 2)
        return mean + var.clamp_min(1e-12).sqrt() * torch.randn_like(mean)

    def kl(self):
        total = 0.0
        for mu, rho in ((self.mu, self.rho), (self.bias_mu, self.bias_rho)):
            s = F.softplus(rho)
            total = total + (math.log(self.prior) - s.log() + (s ** 2 + mu ** 2) / (2 * self.prior ** 2) - 0.5).sum()
        return total


class BayesNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.l1, self.l2, self.l3 = BayesLinear(2, width), BayesLinear(width, width), BayesLinear(width, 1)
        self.log_noise = nn.Parameter(torch.tensor(math.log(0.5)))

    def forward(self, x):
        return self.l3(torch.tanh(self.l2(torch.tanh(self.l1(x))))).squeeze(1)

    def kl(self):
        return self.l1.kl() + self.l2.kl() + self.l3.kl()


xtr, ytr = draw(2000)
xte, yte = draw(1000)
model = BayesNet()
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
epochs, batch = 150, 100
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs, eta_min=1e-4)
for epoch in range(1, epochs + 1):
    nll_sum = 0.0
    for idx in torch.randperm(len(xtr)).split(batch):
        out = model(xtr[idx])
        nll = F.gaussian_nll_loss(out, ytr[idx], (2 * model.log_noise).exp().expand_as(out), full=True)
        loss = nll + model.kl() / len(xtr)            # negative ELBO per observation
        opt.zero_grad()
        loss.backward()
        opt.step()
        nll_sum += nll.item() * len(idx)
    sched.step()
    if epoch % 15 == 0:
        with torch.no_grad():
            kl = model.kl().item()
        print(f"epoch {epoch:3d}  nll {nll_sum / len(xtr):.4f}  kl {kl:.1f} ({kl / len(xtr):.4f} per point)  noise {model.log_noise.exp().item():.3f}")

with torch.no_grad():
    sigma = model.log_noise.exp()
    samples = torch.stack([model(xte) for _ in range(300)])
    mean = samples.mean(0)
    rmse = (mean - yte).pow(2).mean().sqrt().item()
    predictive = samples + sigma * torch.randn_like(samples)
    lo, hi = predictive.quantile(0.05, dim=0), predictive.quantile(0.95, dim=0)
    cover = ((yte > lo) & (yte < hi)).float().mean().item()
    function_rmse = (mean - truth(xte)).pow(2).mean().sqrt().item()
print(f"test rmse {rmse:.4f} (noise {NOISE}), against the true function {function_rmse:.4f}, 90% interval covers {cover:.3f}, noise found {sigma.item():.3f}")
print("RESULT", json.dumps({"test_rmse": round(rmse, 4), "coverage90": round(cover, 3),
                            "good": rmse < 1.08 * NOISE and 0.86 < cover < 0.96}))
