"""Mixture of experts with top-1 routing and a balance loss. The balance term stays near 1 on purpose."""

import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

EXPERTS = 4


class MoELayer(nn.Module):
    def __init__(self, d, hidden):
        super().__init__()
        self.router = nn.Linear(d, EXPERTS, bias=False)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, d)) for _ in range(EXPERTS))

    def forward(self, x):
        probs = F.softmax(self.router(x), dim=-1)
        gate, which = probs.max(-1)
        out = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            rows = (which == i).nonzero()[:, 0]
            if len(rows):
                out = out.index_copy(0, rows, gate[rows, None] * expert(x[rows]))
        load = F.one_hot(which, EXPERTS).float().mean(0)
        balance = EXPERTS * (load * probs.mean(0)).sum()
        return x + out, balance, load


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(6, 32)
        self.moe = MoELayer(32, 32)
        self.out = nn.Linear(32, 3)

    def forward(self, x):
        h, balance, load = self.moe(torch.tanh(self.inp(x)))
        return self.out(h), balance, load


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.randn(3000, 6)
group = (x[:, 0] > 0).long() * 2 + (x[:, 1] > 0).long()
w = torch.randn(4, 4, 3)
y = torch.einsum("nd,ndc->nc", x[:, 2:], w[group]).argmax(1)
net = Net()
optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
for epoch in range(25):
    for i in torch.randperm(2500).split(64):
        logits, balance, load = net(x[i])
        loss = F.cross_entropy(logits, y[i]) + 0.02 * balance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {loss.item():.4f} balance {balance.item():.3f} load {[round(v, 2) for v in load.tolist()]}")
with torch.no_grad():
    logits, _, load = net(x[2500:])
acc = (logits.argmax(1) == y[2500:]).float().mean().item()
print("RESULT", json.dumps({"metric": "val_acc", "value": round(acc, 4), "good": acc >= 0.85 and load.min().item() > 0.02}))
