"""Capsule network with dynamic routing and the margin loss on 8x8 digits.
Modelled after Sabour et al. 2017 and the pytorch CapsNet re-implementations."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def squash(s, dim=-1):
    n2 = (s ** 2).sum(dim, keepdim=True)
    return n2 / (1 + n2) * s / (n2 + 1e-8).sqrt()


class DigitCaps(nn.Module):
    def __init__(self, n_in, d_in, n_out=10, d_out=8, iters=3):
        super().__init__()
        self.W = nn.Parameter(0.1 * torch.randn(n_out, n_in, d_out, d_in))
        self.iters = iters

    def forward(self, u):
        u_hat = torch.einsum("oihd,bid->boih", self.W, u)
        fixed = u_hat.detach()
        b = torch.zeros(u_hat.shape[:3])
        for it in range(self.iters):
            c = b.softmax(dim=1)
            if it < self.iters - 1:
                v = squash((c.unsqueeze(-1) * fixed).sum(2))
                b = b + (fixed * v.unsqueeze(2)).sum(-1)
        return squash((c.unsqueeze(-1) * u_hat).sum(2))


class CapsNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 24, 3, padding=1)
        self.primary = nn.Conv2d(24, 32, 3, stride=2, padding=1)
        self.caps = DigitCaps(n_in=4 * 16, d_in=8)

    def forward(self, x):
        h = self.primary(F.relu(self.conv(x)))
        u = h.view(len(x), 4, 8, 16).transpose(2, 3).reshape(len(x), 64, 8)
        return self.caps(squash(u)).norm(dim=-1)


def margin_loss(lengths, y):
    t = F.one_hot(y, 10).float()
    pos, neg = F.relu(0.9 - lengths) ** 2, F.relu(lengths - 0.1) ** 2
    return (t * pos + 0.5 * (1 - t) * neg).sum(1).mean()


X, y = load_digits(return_X_y=True)
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
Xtr = torch.tensor(Xtr / 16, dtype=torch.float32).view(-1, 1, 8, 8)
Xte = torch.tensor(Xte / 16, dtype=torch.float32).view(-1, 1, 8, 8)
ytr, yte = torch.tensor(ytr), torch.tensor(yte)

model = CapsNet()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
epochs = 14
sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.87)
for epoch in range(epochs):
    model.train()
    total = 0.0
    for idx in torch.randperm(len(Xtr)).split(64):
        loss = margin_loss(model(Xtr[idx]), ytr[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
    sched.step()
    model.eval()
    with torch.no_grad():
        out = model(Xte)
        val, acc = margin_loss(out, yte).item(), (out.argmax(1) == yte).float().mean().item()
    print(f"epoch {epoch + 1}: train {total / len(Xtr):.4f} test {val:.4f} acc {acc:.4f}")
print("RESULT " + json.dumps({"test_accuracy": round(acc, 4), "good": acc > 0.95}))
