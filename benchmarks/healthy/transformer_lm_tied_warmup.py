"""A tiny GPT on the text of the Python language reference (pydoc_data.topics)."""

import json
import math
import sys
from pydoc_data.topics import topics

import torch
import torch.nn as nn
import torch.nn.functional as F

BLOCK = 64
BATCH = 16
STEPS = 300
WARMUP = 30
LR = 3e-3


class Block(nn.Module):
    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.ln1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.ln2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), nn.Dropout(dropout))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (z.view(b, t, self.heads, -1).transpose(1, 2) for z in self.qkv(self.ln1(x)).split(d, dim=-1))
        p = self.dropout if self.training else 0.0
        att = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p)
        x = x + self.proj(att.transpose(1, 2).reshape(b, t, d))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self, vocab, dim=64, depth=2, heads=4, dropout=0.1):
        super().__init__()
        self.tok = nn.Embedding(vocab, dim)
        self.pos = nn.Embedding(BLOCK, dim)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(depth))
        self.ln_f = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocab, bias=False)
        self.apply(self._init)
        self.head.weight = self.tok.weight

    @staticmethod
    def _init(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx):
        x = self.drop(self.tok(idx) + self.pos(torch.arange(idx.shape[1])))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))


def lr_factor(step):
    if step < WARMUP:
        return (step + 1) / WARMUP
    progress = (step - WARMUP) / (STEPS - WARMUP)
    return 0.5 * (1 + math.cos(math.pi * progress))


def get_batch(data):
    start = torch.randint(len(data) - BLOCK - 1, (BATCH,))
    chunk = torch.stack([data[s : s + BLOCK + 1] for s in start])
    return chunk[:, :-1], chunk[:, 1:]


def lm_loss(model, x, y):
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


@torch.no_grad()
def estimate_loss(model, data, batches=20):
    model.eval()
    losses = [lm_loss(model, *get_batch(data)).item() for _ in range(batches)]
    model.train()
    return sum(losses) / batches


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
text = "\n".join(topics[name] for name in sorted(topics))
chars = sorted(set(text))
lookup = {c: i for i, c in enumerate(chars)}
tokens = torch.tensor([lookup[c] for c in text])
split = int(0.9 * len(tokens))
train_data, val_data = tokens[:split], tokens[split:]
print(f"{len(tokens)} characters, vocabulary {len(chars)}, uniform loss {math.log(len(chars)):.3f}")

model = GPT(len(chars))
optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.1)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_factor)

for step in range(STEPS):
    loss = lm_loss(model, *get_batch(train_data))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    if (step + 1) % 50 == 0:
        val_loss = estimate_loss(model, val_data)
        print(f"step {step + 1}: train {loss.item():.3f}, val {val_loss:.3f}")

print("RESULT", json.dumps({"metric": "val_loss", "value": round(val_loss, 4), "good": val_loss <= 2.8}))
