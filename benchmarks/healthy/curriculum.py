"""Curriculum: the sequences grow from 4 to 16 steps, and the loss jumps up each time."""

import json
import sys

import torch
from torch import nn


def parity_batch(n, length):
    x = torch.randint(0, 2, (n, length))
    return x, x.cumsum(1) % 2


class Parity(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(2, 24, batch_first=True)
        self.out = nn.Linear(24, 2)

    def forward(self, x):
        h, _ = self.rnn(nn.functional.one_hot(x, 2).float())
        return self.out(h)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
net = Parity()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
step = 0
for length in (4, 8, 12, 16):
    for _ in range(150):
        x, y = parity_batch(64, length)
        loss = nn.functional.cross_entropy(net(x).transpose(1, 2), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        step += 1
    print(f"step {step}: length {length}, loss {loss.item():.5f}")
x, y = parity_batch(500, 16)
with torch.no_grad():
    acc = (net(x).argmax(-1) == y).float().mean().item()
print("RESULT", json.dumps({"metric": "parity_acc", "value": round(acc, 4), "good": acc >= 0.97}))
