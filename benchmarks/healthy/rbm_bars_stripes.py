"""Restricted Boltzmann machine on 4x4 bars and stripes, trained by persistent contrastive divergence.

The surrogate (free energy of data minus free energy of the fantasy particles) only carries the gradient:
it sits a little below zero (the chains lag behind) and its value says nothing of progress. At this size the log-likelihood can be had exactly.
"""
import itertools
import json
import math
import sys

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

N = 4
rows = torch.tensor(list(itertools.product([0.0, 1.0], repeat=N)))
bars = rows[:, :, None].expand(-1, N, N).reshape(-1, N * N)
stripes = rows[:, None, :].expand(-1, N, N).reshape(-1, N * N)
patterns = torch.unique(torch.cat([bars, stripes]), dim=0)
assert len(patterns) == 30
all_states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=N * N)))

n_hidden = 24
W = (0.05 * torch.randn(N * N, n_hidden)).requires_grad_()
a = torch.zeros(N * N, requires_grad=True)
b = torch.zeros(n_hidden, requires_grad=True)


def free_energy(v):
    return -(v @ a) - F.softplus(v @ W + b).sum(1)


@torch.no_grad()
def gibbs(v, steps):
    for _ in range(steps):
        h = torch.bernoulli(torch.sigmoid(v @ W + b))
        v = torch.bernoulli(torch.sigmoid(h @ W.T + a))
    return v


@torch.no_grad()
def exact_nll():
    log_z = torch.logsumexp(-free_energy(all_states), 0)
    return (free_energy(patterns).mean() + log_z).item()


lr0, steps = 0.1, 8000
opt = torch.optim.SGD([W, a, b], lr=lr0)
chains = torch.bernoulli(torch.full((300, N * N), 0.5))
print(f"optimum {math.log(30):.4f}, untrained {exact_nll():.4f}")
run = 0.0
for step in range(1, steps + 1):
    for group in opt.param_groups:
        group["lr"] = lr0 * (1 - (step - 1) / steps)
    batch = patterns[torch.randint(0, 30, (150,))]
    chains = gibbs(chains, 5)
    loss = free_energy(batch).mean() - free_energy(chains).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    run += loss.item()
    if step % 500 == 0:
        print(f"step {step}  surrogate {run / 500:+.4f}  exact nll {exact_nll():.4f}")
        run = 0.0

value = exact_nll()
print("RESULT " + json.dumps({"metric": "exact_nll_nats (optimum 3.40)", "value": round(value, 4), "good": value < 4.0}))
