"""Deep equilibrium model: the hidden state is the fixed point of one layer; gradients by the implicit function theorem."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = load_digits(return_X_y=True)
X = (X / 16.0 - 0.3) / 0.37
xtr, xte, ytr, yte = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
base = LogisticRegression(max_iter=1000, C=0.1).fit(xtr, ytr).score(xte, yte)
xtr, xte = torch.tensor(xtr, dtype=torch.float32), torch.tensor(xte, dtype=torch.float32)
ytr, yte = torch.tensor(ytr), torch.tensor(yte)


def fixed_point(f, z, tol=1e-4, most=40):
    for k in range(most):
        new = f(z)
        if (new - z).norm() <= tol * (1 + new.norm()):
            return new, k + 1
        z = new
    return z, most


class Equilibrium(torch.autograd.Function):
    """z* = tanh(z* W' + u). Backward solves g = v + (g * (1 - z*^2)) W."""

    @staticmethod
    def forward(ctx, W, u):
        z, ctx.its = fixed_point(lambda z: torch.tanh(z @ W.T + u), torch.zeros_like(u))
        Equilibrium.iterations = ctx.its
        ctx.save_for_backward(W, z)
        return z

    @staticmethod
    def backward(ctx, v):
        W, z = ctx.saved_tensors
        d = 1 - z ** 2
        g, _ = fixed_point(lambda g: v + (g * d) @ W, v)
        gu = g * d
        return gu.T @ z, gu


class DEQ(nn.Module):
    def __init__(self, h=96, gain=0.85):
        super().__init__()
        self.inp = nn.Linear(64, h)
        self.A = nn.Parameter(torch.randn(h, h) / math.sqrt(h))
        self.out = nn.Linear(h, 10)
        self.gain = gain

    def forward(self, x):
        W = self.gain * self.A / torch.linalg.matrix_norm(self.A, 2)     # a contraction, so the fixed point is unique
        x = F.dropout(x, 0.15, self.training)
        return self.out(F.dropout(Equilibrium.apply(W, self.inp(x)), 0.2, self.training))



model = DEQ()
EPOCHS = 25
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)
for ep in range(1, EPOCHS + 1):
    model.train()
    tot, its, n = 0., 0, 0
    for i in torch.randperm(len(xtr)).split(64):
        loss = F.cross_entropy(model(xtr[i]), ytr[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(i); its += Equilibrium.iterations; n += 1
    sched.step()
    if ep % 5 == 0:
        model.eval()
        with torch.no_grad():
            out = model(xte)
        acc = (out.argmax(1) == yte).float().mean().item()
        print(f"epoch {ep} train {tot / len(xtr):.4f} test {F.cross_entropy(out, yte):.4f} acc {acc:.4f} iterations {its / n:.1f}")
print(f"logistic regression {base:.4f}")
print("RESULT", json.dumps({"acc": round(acc, 4), "good": acc > 0.97 and acc > base}))
