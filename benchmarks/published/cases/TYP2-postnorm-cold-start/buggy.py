import json
import sys

import torch
import torch.nn as nn

LR, WARMUP, STEPS = 3e-3, 1, 350


class PostNorm(nn.Module):
    def __init__(self, vocab=16, length=12, dim=48, depth=6):
        super().__init__()
        self.tok = nn.Embedding(vocab, dim)
        self.pos = nn.Parameter(torch.randn(1, length, dim) * 0.1)
        layer = nn.TransformerEncoderLayer(dim, 4, 96, dropout=0.0, batch_first=True)
        self.enc = nn.TransformerEncoder(layer, depth)
        self.out = nn.Linear(dim, vocab)

    def forward(self, x):
        return self.out(self.enc(self.tok(x) + self.pos))


def reverse_batch(n):
    x = torch.randint(0, 16, (n, 12))
    return x, x.flip(1)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = PostNorm()
optimizer = torch.optim.Adam(model.parameters(), lr=LR, betas=(0.9, 0.98))
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / WARMUP) * (1 - s / STEPS))
for step in range(STEPS):
    x, y = reverse_batch(32)
    loss = nn.functional.cross_entropy(model(x).transpose(1, 2), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 35 == 0:
        print(f"{step:4d} {loss.item():.4f} lr {scheduler.get_last_lr()[0]:.5f}")
x, y = reverse_batch(300)
with torch.no_grad():
    acc = (model(x).argmax(-1) == y).float().mean().item()
print("RESULT", json.dumps({"metric": "token accuracy", "value": acc}))
