"""Skip-gram with negative sampling on a toy language of themes. Two tables, sparse gradients, log-sigmoid on products."""

import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

THEMES, PER_THEME, DIM, K = 8, 25, 16, 5
VOCAB = THEMES * PER_THEME


class SkipGram(nn.Module):
    def __init__(self):
        super().__init__()
        self.center = nn.Embedding(VOCAB, DIM, sparse=True)
        self.context = nn.Embedding(VOCAB, DIM, sparse=True)
        nn.init.uniform_(self.center.weight, -0.5 / DIM, 0.5 / DIM)
        nn.init.zeros_(self.context.weight)

    def forward(self, center, pos, neg):
        v = self.center(center)
        up = (self.context(pos) * v).sum(-1)
        un = torch.bmm(self.context(neg), v.unsqueeze(-1)).squeeze(-1)
        return -(F.logsigmoid(up) + F.logsigmoid(-un).sum(1)).mean()


def pairs(n):
    theme = torch.randint(THEMES, (n,))
    a = theme * PER_THEME + torch.randint(PER_THEME, (n,))
    b = theme * PER_THEME + torch.randint(PER_THEME, (n,))
    stray = torch.rand(n) < 0.2
    return a, torch.where(stray, torch.randint(VOCAB, (n,)), b)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = SkipGram()
optimizer = torch.optim.SparseAdam(model.parameters(), lr=0.01)
for step in range(1200):
    a, b = pairs(256)
    loss = model(a, b, torch.randint(VOCAB, (256, K)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 120 == 0:
        print(f"step {step}: {loss.item():.4f}")
with torch.no_grad():
    e = F.normalize(model.center.weight, dim=1)
    sim = e @ e.T - 2 * torch.eye(VOCAB)
    nearest = sim.topk(5).indices
theme = torch.arange(VOCAB) // PER_THEME
purity = (theme[nearest] == theme[:, None]).float().mean().item()
print("RESULT", json.dumps({"metric": "neighbours_of_theme", "value": round(purity, 4), "good": purity >= 0.9}))
