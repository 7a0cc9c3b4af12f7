"""Classifier under a fairness constraint, by gradient descent on the weights and ascent on a multiplier.

Primal-dual training: the multiplier starts at zero and grows while the groups' mean scores differ by more than
0.03, so the cross-entropy (and the Lagrangian) rise in the course of training. That is the price of the constraint.
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


def population(n, rng):
    """Group membership shifts a proxy feature and the base rate of the label."""
    group = (rng.random(n) < 0.4).astype(np.float32)
    skill = rng.normal(0, 1, n)
    proxy = rng.normal(0, 1, n) + 1.5 * group
    other = rng.normal(0, 1, (n, 3))
    logit = 1.6 * skill + 0.9 * (proxy - 0.6) + 0.7 * other[:, 0] * other[:, 1] - 0.2
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.float32)
    x = np.column_stack([skill, proxy, other]).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(group)


def parity_gap(scores, group):
    return scores[group == 1].mean() - scores[group == 0].mean()


class PrimalDual:
    def __init__(self, slack, lr=2e-3, dual_lr=0.05):
        self.net = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
        self.opt = torch.optim.Adam(self.net.parameters(), lr=lr)
        self.slack, self.dual_lr, self.lam = slack, dual_lr, 0.0

    def step(self, x, y, g):
        z = self.net(x).squeeze(1)
        ce = F.binary_cross_entropy_with_logits(z, y)
        violation = parity_gap(z.sigmoid(), g).abs() - self.slack
        lagrangian = ce + self.lam * violation
        self.opt.zero_grad()
        lagrangian.backward()
        self.opt.step()
        if self.dual_lr:
            self.lam = max(0.0, self.lam + self.dual_lr * violation.item())  # ascent, projected to lam >= 0
        return ce.item(), lagrangian.item()

    def fit(self, data, val, epochs, batch=500):
        x, y, g = data
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(self.opt, epochs)
        for e in range(epochs):
            logs = [self.step(x[i], y[i], g[i]) for i in torch.randperm(len(x)).split(batch)]
            decay.step()
            ce, lag = np.mean(logs, 0)
            acc, gap, vce = self.measure(*val)
            if e % 3 == 2:
                print(f"  epoch {e + 1:2d} ce {ce:.4f} lagrangian {lag:.4f} lambda {self.lam:.3f} | val ce {vce:.4f} acc {acc:.4f} gap {gap:+.4f}")

    @torch.no_grad()
    def measure(self, x, y, g):
        z = self.net(x).squeeze(1)
        return ((z > 0).float() == y).float().mean().item(), parity_gap(z.sigmoid(), g).item(), F.binary_cross_entropy_with_logits(z, y).item()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train, val, test = population(10000, rng), population(3000, rng), population(10000, rng)
    print("unconstrained")
    free = PrimalDual(slack=0.0, dual_lr=0.0)  # lambda stays 0
    free.fit(train, val, epochs=18)
    print("constrained to a gap of 0.03")
    fair = PrimalDual(slack=0.03)
    fair.fit(train, val, epochs=45)
    fa, fg, _ = free.measure(*test)
    ca, cg, _ = fair.measure(*test)
    print(f"test: free accuracy {fa:.4f} gap {fg:.4f}; constrained accuracy {ca:.4f} gap {cg:.4f}")
    good = abs(cg) < 0.05 and fg > 0.15 and ca > fa - 0.05
    print("RESULT " + json.dumps({"metric": "parity_gap (allowed 0.03, accuracy within 5 points)", "value": round(cg, 4), "good": bool(good)}))


if __name__ == "__main__":
    main()
