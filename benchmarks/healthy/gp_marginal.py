"""Gaussian process regression: ARD kernel hyperparameters by gradient ascent on the marginal likelihood.
Modelled after the GPyTorch "simple GP regression" example, written in plain PyTorch."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class ExactGP(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.raw_length = nn.Parameter(torch.zeros(dim, dtype=torch.float64))
        self.raw_scale = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.raw_noise = nn.Parameter(torch.tensor(-2.0, dtype=torch.float64))
        self.mean = nn.Parameter(torch.zeros((), dtype=torch.float64))

    @property
    def noise(self):
        return F.softplus(self.raw_noise) + 1e-4

    def kernel(self, a, b):
        ell = F.softplus(self.raw_length)
        a, b = a / ell, b / ell
        d2 = (a ** 2).sum(1)[:, None] + (b ** 2).sum(1)[None] - 2 * a @ b.T
        return F.softplus(self.raw_scale) * torch.exp(-0.5 * d2.clamp_min(0))

    def chol(self, x):
        return torch.linalg.cholesky(self.kernel(x, x) + self.noise * torch.eye(len(x), dtype=x.dtype))

    def neg_mll(self, x, y):
        L = self.chol(x)
        r = y - self.mean
        alpha = torch.cholesky_solve(r.unsqueeze(1), L).squeeze(1)
        ll = -0.5 * r @ alpha - L.diagonal().log().sum() - 0.5 * len(y) * math.log(2 * math.pi)
        return -ll / len(y)

    @torch.no_grad()
    def predict(self, x, y, xs):
        L = self.chol(x)
        ks = self.kernel(x, xs)
        mean = self.mean + ks.T @ torch.cholesky_solve((y - self.mean).unsqueeze(1), L).squeeze(1)
        v = torch.linalg.solve_triangular(L, ks, upper=False)
        var = F.softplus(self.raw_scale) - (v ** 2).sum(0) + self.noise
        return mean, var


def target(x):
    return torch.sin(3 * x[:, 0]) + 0.8 * x[:, 1] ** 2 - 0.5 * x[:, 0] * x[:, 2]


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    x, xs = torch.randn(300, 5, dtype=torch.float64), torch.randn(300, 5, dtype=torch.float64)
    y = target(x) + 0.15 * torch.randn(300, dtype=torch.float64)
    ys = target(xs) + 0.15 * torch.randn(300, dtype=torch.float64)
    m, s = y.mean(), y.std()
    y, ys = (y - m) / s, (ys - m) / s

    gp = ExactGP(5)
    opt = torch.optim.Adam(gp.parameters(), lr=0.05)
    for i in range(300):
        opt.zero_grad()
        loss = gp.neg_mll(x, y)
        loss.backward()
        opt.step()
        if i % 30 == 29:
            print(f"iter {i + 1}: -mll/n {loss.item():.4f} noise sd {gp.noise.sqrt().item():.3f}")
    mean, var = gp.predict(x, y, xs)
    r2 = 1 - ((mean - ys) ** 2).mean().item() / ys.var().item()
    cover = (((mean - ys).abs() / var.sqrt()) < 1.96).double().mean().item()
    print("length scales", [round(v, 2) for v in F.softplus(gp.raw_length).tolist()], f"coverage {cover:.3f}")
    print("RESULT " + json.dumps({"test_r2": round(r2, 4), "good": r2 > 0.85 and cover > 0.85}))


if __name__ == "__main__":
    main()
