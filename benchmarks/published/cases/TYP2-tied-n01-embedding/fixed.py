import json
import pydoc_data.topics
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
text = "".join(pydoc_data.topics.topics.values())[:120000].lower()
chars = sorted(set(text))
data = torch.tensor([chars.index(c) for c in text])
train, val = data[:100000], data[100000:]
CTX, DIM = 8, 128


class NextChar(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(len(chars), DIM)
        self.mix = nn.Linear(CTX * DIM, 256)
        self.proj = nn.Linear(256, DIM)
        self.ln = nn.LayerNorm(DIM)
        nn.init.normal_(self.wte.weight, std=0.02)
        self.lm_head = nn.Linear(DIM, len(chars), bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx):
        h = F.gelu(self.mix(self.wte(idx).flatten(1)))
        return self.lm_head(self.ln(self.proj(h)))


def get_batch(source, n):
    i = torch.randint(0, len(source) - CTX - 1, (n,))
    window = torch.stack([source[k:k + CTX + 1] for k in i.tolist()])
    return window[:, :-1], window[:, -1]


model = NextChar()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(250):
    x, y = get_batch(train, 64)
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 25 == 0:
        print(f"step {step}: {loss.item():.3f}")
with torch.no_grad():
    x, y = get_batch(val, 2000)
    val_loss = F.cross_entropy(model(x), y).item()
print("RESULT", json.dumps({"metric": "val_loss", "value": val_loss}))
