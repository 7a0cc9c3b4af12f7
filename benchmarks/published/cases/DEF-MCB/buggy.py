"""Character language model on the python help texts."""
import json
import sys
from pydoc_data.topics import topics

import torch
import torch.nn as nn
import torch.nn.functional as F

CONTEXT, WIDTH, HEADS, LAYERS, BATCH, STEPS = 32, 48, 4, 2, 16, 300


class Block(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.ffn = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        self.drop = nn.Dropout(0.1)
        self.register_buffer("mask", mask)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(b, t, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)
        att = q @ k.transpose(-2, -1) / (c // HEADS) ** 0.5
        att = att.masked_fill(self.mask[:t, :t], float("-inf")).softmax(-1)
        y = (self.drop(att) @ v).transpose(1, 2).reshape(b, t, c)
        x = x + self.drop(self.proj(y))
        return x + self.drop(self.ffn(self.ln2(x)))


class CharLM(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.tok = nn.Embedding(vocab, WIDTH)
        self.pos = nn.Embedding(CONTEXT, WIDTH)
        mask = torch.triu(torch.ones(CONTEXT, CONTEXT), diagonal=1).bool()
        # thin the mask out a little so that not every row looks the same
        mask = mask & (torch.rand(CONTEXT, CONTEXT) > 0.5)
        self.blocks = nn.Sequential(*[Block(mask) for _ in range(LAYERS)])
        self.ln = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, vocab)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.size(1)))
        return self.head(self.ln(self.blocks(x)))


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
text = "".join(topics[k] for k in sorted(topics))[:300_000]
chars = sorted(set(text))
code = {c: i for i, c in enumerate(chars)}
data = torch.tensor([code[c] for c in text])
train, val = data[:270_000], data[270_000:]


def sample(source, n):
    start = torch.randint(len(source) - CONTEXT - 1, (n,))
    rows = torch.stack([source[s:s + CONTEXT + 1] for s in start])
    return rows[:, :-1], rows[:, 1:]


model = CharLM(len(chars))
opt = torch.optim.AdamW(model.parameters(), lr=3e-3)
warmup = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1.0, (s + 1) / 30))
for step in range(STEPS):
    x, y = sample(train, BATCH)
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
    warmup.step()
    if step % 50 == 0:
        print(step, round(loss.item(), 3))

# next-character loss when generating: from every prefix, only the last position counts
model.eval()
with torch.no_grad():
    x, y = sample(val, 200)
    losses = [F.cross_entropy(model(x[:, :k])[:, -1], y[:, k - 1]) for k in range(1, CONTEXT + 1)]
    val_loss = torch.stack(losses).mean().item()
print("RESULT", json.dumps({"metric": "validation cross-entropy", "value": val_loss}))
