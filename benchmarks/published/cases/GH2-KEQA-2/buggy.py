import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class AttentiveReader(nn.Module):
    """which value stands at the marked position?"""

    def __init__(self, dim=24, classes=6):
        super().__init__()
        self.emb = nn.Embedding(classes, dim)
        self.mark = nn.Embedding(2, dim)
        self.attn = nn.Linear(dim, 1)
        self.out = nn.Linear(dim, classes)

    def forward(self, values, marks):
        h = torch.tanh(self.emb(values) + self.mark(marks))
        b, t, d = h.shape
        scores = self.attn(h.reshape(b * t, d))
        weights = F.softmax(scores, dim=-1).view(b, t)
        context = (weights.unsqueeze(-1) * h).sum(1)
        return self.out(context)


def examples(n, t=20):
    values = torch.randint(0, 6, (n, t))
    where = torch.randint(0, t, (n,))
    marks = F.one_hot(where, t)
    return values, marks, values[torch.arange(n), where]


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
v, m, y = examples(2000)
tv, tm, ty = examples(500)
reader = AttentiveReader()
optimizer = torch.optim.Adam(reader.parameters(), lr=5e-3)
for epoch in range(10):
    for i in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = F.cross_entropy(reader(v[i], m[i]), y[i])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = (reader(tv, tm).argmax(1) == ty).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.4f} acc {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
