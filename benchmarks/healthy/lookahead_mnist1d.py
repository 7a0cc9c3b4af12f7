"""Lookahead (Zhang et al. 2019) wrapped around Adam, training a residual 1-D CNN on MNIST-1D.
Modelled after the widely copied lookahead.py wrapper."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset


class Lookahead:
    """k fast steps forward, one step of the slow weights towards them."""

    def __init__(self, base, k=5, alpha=0.5):
        self.base, self.k, self.alpha, self.count = base, k, alpha, 0
        self.slow = [[p.detach().clone() for p in g["params"]] for g in base.param_groups]

    def zero_grad(self):
        self.base.zero_grad()

    @torch.no_grad()
    def step(self):
        self.base.step()
        self.count += 1
        if self.count % self.k == 0:
            for group, slow in zip(self.base.param_groups, self.slow):
                for p, s in zip(group["params"], slow):
                    s.add_(p - s, alpha=self.alpha)
                    p.copy_(s)


class Block(nn.Module):
    def __init__(self, ch, dilation):
        super().__init__()
        self.c1 = nn.Conv1d(ch, ch, 5, padding=2 * dilation, dilation=dilation, bias=False)
        self.b1 = nn.BatchNorm1d(ch)
        self.c2 = nn.Conv1d(ch, ch, 3, padding=1, bias=False)
        self.b2 = nn.BatchNorm1d(ch)

    def forward(self, x):
        return F.relu(x + self.b2(self.c2(F.relu(self.b1(self.c1(x))))))


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
args = get_dataset_args()
args.num_samples = 10000
args.seed = 42 + seed
data = make_dataset(args)
X = torch.tensor(data["x"], dtype=torch.float32).unsqueeze(1)
Y = torch.tensor(data["y"]).long()
XT = torch.tensor(data["x_test"], dtype=torch.float32).unsqueeze(1)
YT = torch.tensor(data["y_test"]).long()
mu, sd = X.mean(), X.std()
X, XT = (X - mu) / sd, (XT - mu) / sd

net = nn.Sequential(nn.Conv1d(1, 16, 5, padding=2), nn.ReLU(), Block(16, 1), nn.MaxPool1d(2),
                    Block(16, 2), nn.Flatten(), nn.Dropout(0.4), nn.Linear(16 * 20, 10))
opt = Lookahead(torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2))
epochs, bs = 7, 100
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt.base, epochs)
for epoch in range(epochs):
    net.train()
    tot = 0.0
    for idx in torch.randperm(len(X)).split(bs):
        loss = F.cross_entropy(net(X[idx]), Y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(idx)
    sched.step()
    net.eval()
    with torch.no_grad():
        out = net(XT)
        tl, acc = F.cross_entropy(out, YT).item(), (out.argmax(1) == YT).float().mean().item()
    print(f"epoch {epoch + 1}: train {tot / len(X):.4f} test {tl:.4f} acc {acc:.4f}")
print("RESULT " + json.dumps({"test_accuracy": round(acc, 4), "good": acc > 0.88}))
