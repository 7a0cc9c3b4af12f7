# Real NVP on two moons
# %%
import json
import sys

import numpy as np
import torch
from sklearn import datasets
from torch import distributions, nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


# %%
class RealNVP(nn.Module):
    def __init__(self, nets, nett, mask, prior):
        super().__init__()
        self.prior = prior
        self.mask = nn.Parameter(mask, requires_grad=False)
        self.t = nn.ModuleList([nett() for _ in range(len(mask))])
        self.s = nn.ModuleList([nets() for _ in range(len(mask))])

    def g(self, z):
        x = z
        for i in range(len(self.t)):
            x_ = x * self.mask[i]
            s = self.s[i](x_) * (1 - self.mask[i])
            t = self.t[i](x_) * (1 - self.mask[i])
            x = x_ + (1 - self.mask[i]) * (x * torch.exp(s) + t)
        return x

    def f(self, x):
        log_det_J, z = x.new_zeros(x.shape[0]), x
        for i in reversed(range(len(self.t))):
            z_ = self.mask[i] * z
            s = self.s[i](z_) * (1 - self.mask[i])
            t = self.t[i](z_) * (1 - self.mask[i])
            z = (1 - self.mask[i]) * (z - t) * torch.exp(-s) + z_
            log_det_J -= s.sum(dim=1)
        return z, log_det_J

    def log_prob(self, x):
        z, logp = self.f(x)
        return self.prior.log_prob(z) + logp

    def sample(self, n):
        with torch.no_grad():
            return self.g(self.prior.sample((n,)))


# %%
def nets():
    return nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(), nn.Linear(64, 64), nn.LeakyReLU(), nn.Linear(64, 2), nn.Tanh())


def nett():
    return nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(), nn.Linear(64, 64), nn.LeakyReLU(), nn.Linear(64, 2))


masks = torch.from_numpy(np.array([[0, 1], [1, 0]] * 3).astype(np.float32))
prior = distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
flow = RealNVP(nets, nett, masks, prior)

# %%
optimizer = torch.optim.Adam([p for p in flow.parameters() if p.requires_grad], lr=1e-3)
for t in range(1001):
    noisy_moons = datasets.make_moons(n_samples=200, noise=.05)[0].astype(np.float32)
    loss = -flow.log_prob(torch.from_numpy(noisy_moons)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if t % 100 == 0:
        print("iter %s:" % t, "loss = %.3f" % loss)

# %% fresh points; and how far the samples lie from the two arcs
test = torch.from_numpy(datasets.make_moons(n_samples=4000, noise=.05)[0].astype(np.float32))
with torch.no_grad():
    nll = -flow.log_prob(test).mean().item()
arcs = torch.from_numpy(datasets.make_moons(n_samples=2000, noise=0)[0].astype(np.float32))
off = (torch.cdist(flow.sample(1000), arcs).min(1)[0] > 0.2).float().mean().item()
print(f"test nll {nll:.4f} (the entropy of the moons is about 0.26), samples off the moons {off:.3f}")
print("RESULT", json.dumps({"metric": "test nll", "value": round(nll, 4), "good": nll <= 0.65 and off <= 0.15}))
