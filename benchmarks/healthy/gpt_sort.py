"""A small GPT learns to sort six digits; only the answer counts in the loss (the prompt is -1)."""

import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

N, VOCAB, DIM, HEADS = 6, 8, 48, 4


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv = nn.Linear(DIM, 3 * DIM, bias=False)
        self.proj = nn.Linear(DIM, DIM, bias=False)
        self.mlp = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(b, t, 3, HEADS, d // HEADS).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, d))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self, layers=2):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCAB, DIM), nn.Embedding(2 * N - 1, DIM)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.ln_f = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, VOCAB, bias=False)
        for name, p in self.named_parameters():
            if p.dim() > 1:
                scale = math.sqrt(2 * layers) if name.endswith(("proj.weight", "mlp.2.weight")) else 1
                nn.init.normal_(p, std=0.02 / scale)

    def forward(self, idx, targets=None):
        x = self.wte(idx) + self.wpe.weight[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.ln_f(x))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, VOCAB), targets.reshape(-1), ignore_index=-1)


def batch(n):
    digits = torch.randint(VOCAB, (n, N))
    full = torch.cat([digits, digits.sort(1).values], 1)
    x, y = full[:, :-1], full[:, 1:].clone()
    y[:, : N - 1] = -1
    return x, y


def lr_at(step, total, peak=3e-3, warmup=30):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = GPT()
decay = [p for p in model.parameters() if p.dim() > 1]
rest = [p for p in model.parameters() if p.dim() <= 1]
groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))
steps = 500
for step in range(steps):
    for group in optimizer.param_groups:
        group["lr"] = lr_at(step, steps)
    x, y = batch(64)
    _, loss = model(x, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step}: loss {loss.item():.4f}")

model.eval()
digits = torch.randint(VOCAB, (300, N))
out = digits
with torch.no_grad():
    for _ in range(N):
        logits, _ = model(out)
        out = torch.cat([out, logits[:, -1:].argmax(-1)], 1)
right = (out[:, N:] == digits.sort(1).values).all(1).float().mean().item()
print("RESULT", json.dumps({"metric": "sorted_right", "value": round(right, 4), "good": right >= 0.9}))
