"""Stochastic-gradient Langevin dynamics for a Bayesian linear model whose posterior is known exactly."""
import json
import math
import sys

import torch
from torch.optim import Optimizer

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)

N, D, NOISE, PRIOR = 400, 10, 2.0, 1.0


class SGLD(Optimizer):
    """theta <- theta - eps/2 * grad U + N(0, eps)."""

    def __init__(self, params, lr):
        super().__init__(params, dict(lr=lr))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad, alpha=-0.5 * group["lr"])
                    p.add_(torch.randn_like(p), alpha=math.sqrt(group["lr"]))


features = torch.randn(N, D)
features = features + 0.5 * features.roll(1, dims=1)
w_true = torch.randn(D)
y = features @ w_true + NOISE * torch.randn(N)

precision = features.T @ features / NOISE ** 2 + torch.eye(D) / PRIOR ** 2
cov = torch.linalg.inv(precision)
mean = cov @ features.T @ y / NOISE ** 2
exact_sd = cov.diagonal().sqrt()


class Chains(torch.nn.Module):
    """Sixteen weight vectors sampled side by side."""

    def __init__(self, k):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(D, k) * PRIOR)

    def forward(self, x):
        return x @ self.weight


def potential(model, x, target):
    fit = (model(x) - target[:, None]).square().sum(0) / (2 * NOISE ** 2)
    prior = model.weight.square().sum(0) / (2 * PRIOR ** 2)
    return fit + prior


chains = Chains(16)
top = torch.linalg.eigvalsh(precision)[-1].item()
opt = SGLD(chains.parameters(), lr=0.1 / top)
burn, total, keep = 1500, 25000, []
for step in range(total):
    u = potential(chains, features, y)
    loss = u.sum()                       # chains are independent: the sum gives each its own gradient
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step >= burn and step % 10 == 0:
        keep.append(chains.weight.detach().clone())
    if step % 2500 == 0:
        print(f"step {step:6d}  mean potential {u.mean().item():.3f}")

draws = torch.stack(keep).transpose(1, 2).reshape(-1, D)
sd_ratio = draws.std(0) / exact_sd
shift = (draws.mean(0) - mean).abs() / exact_sd
u_min = 0.5 * ((features @ mean - y).square().sum() / NOISE ** 2 + mean.square().sum() / PRIOR ** 2)
print(f"potential at the posterior mean {u_min.item():.3f}; expected under the posterior {u_min.item() + D / 2:.3f}")
print(f"sd ratio {sd_ratio.min():.3f}..{sd_ratio.max():.3f}   largest shift of a mean {shift.max():.3f} sd")
good = sd_ratio.min() > 0.9 and sd_ratio.max() < 1.1 and shift.max() < 0.15
print("RESULT " + json.dumps({"metric": "worst_sd_ratio_error", "value": round((sd_ratio - 1).abs().max().item(), 4),
                              "good": bool(good)}))
