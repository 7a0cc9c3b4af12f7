"""Entropic optimal transport between two Gaussian clouds: two potentials climb the dual (Seguy et al., 2018).
The closed form for Gaussians (Janati et al., 2020) says where the climb has to end."""
import json
import math
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)

EPS = 1.0
MEAN_A, MEAN_B = torch.tensor([0.0, 0.0]), torch.tensor([1.5, -1.0])
COV_A = torch.tensor([[1.0, 0.3], [0.3, 0.5]])
COV_B = torch.tensor([[0.6, -0.2], [-0.2, 1.2]])
source = torch.distributions.MultivariateNormal(MEAN_A, COV_A)
sink = torch.distributions.MultivariateNormal(MEAN_B, COV_B)


def sqrtm(m):
    w, v = torch.linalg.eigh(m)
    return v @ torch.diag(w.sqrt()) @ v.T


def closed_form():
    s2, d = EPS / 2, 2
    root, eye = sqrtm(COV_A), torch.eye(2)
    D = sqrtm(4 * root @ COV_B @ root + s2 ** 2 * eye)
    bures = COV_A.trace() + COV_B.trace() - D.trace() + d * s2 * (1 - math.log(2 * s2)) + s2 * torch.logdet(D + s2 * eye)
    return ((MEAN_A - MEAN_B).pow(2).sum() + bures).item()


def potential():
    return nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))


def dual(u, v, n):
    x, y = source.sample((n,)), sink.sample((n,))
    fu, fv = u(x), v(y).T
    cost = torch.cdist(x, y) ** 2
    return fu.mean() + fv.mean() - EPS * (((fu + fv - cost) / EPS).exp().mean() - 1)


u, v = potential(), potential()
optimiser = torch.optim.Adam([*u.parameters(), *v.parameters()], lr=2e-3, betas=(0.5, 0.99))
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1800)
truth = closed_form()
for step in range(1800):
    loss = -dual(u, v, 256)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_([*u.parameters(), *v.parameters()], 5.0)
    optimiser.step()
    schedule.step()
    if step % 150 == 0:
        print(f"step {step:4d} loss {loss.item():.4f} (the optimum is {-truth:.4f})")

with torch.no_grad():
    value = sum(dual(u, v, 2000).item() for _ in range(10)) / 10
error = abs(value / truth - 1)
print(f"dual {value:.4f} closed form {truth:.4f}")
print("RESULT " + json.dumps({"metric": "relative_error_of_ot_cost", "value": round(error, 4), "good": error < 0.04}))
